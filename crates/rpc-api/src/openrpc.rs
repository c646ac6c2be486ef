//! The OpenRPC document, made from the table of methods.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::methods::{COMMON_ERRORS, Method, tidy};
use crate::types::subscription::Notification;

/// The version of OpenRPC that the document follows.
pub const OPENRPC_VERSION: &str = "1.3.2";

/// Makes the document.
pub fn document(version: &str) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut methods = Vec::new();
    for method in Method::ALL {
        let (params, answer) = method.schemas(&mut generator);
        methods.push(describe(*method, params.as_value(), answer.to_value()));
    }
    let notification = generator.subschema_for::<Notification>().to_value();
    let schemas: Map<String, Value> = generator.take_definitions(true);
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "mvs-node",
            "version": version,
            "description": "The node's own API: JSON-RPC 2.0 by POST to /rpc, or over a WebSocket at /rpc.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "name": "own", "url": "/rpc" }],
        "methods": methods,
        "components": { "schemas": schemas },
        "x-notifications": [{ "method": "event", "params": notification }],
    })
}

fn describe(method: Method, params: &Value, answer: Value) -> Value {
    let properties = params.get("properties");
    let required = params.get("required").and_then(Value::as_array);
    let params: Vec<Value> = method
        .parameters()
        .iter()
        .map(|name| {
            let mut schema =
                properties.and_then(|all| all.get(*name)).cloned().unwrap_or(Value::Bool(true));
            let doc = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
            json!({
                "name": name,
                "description": doc.as_ref().and_then(Value::as_str).map(tidy).unwrap_or_default(),
                "required": is_required,
                "schema": schema,
            })
        })
        .collect();
    let doc = tidy(method.doc());
    let summary = doc.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let errors = COMMON_ERRORS
        .iter()
        .chain(method.errors().iter().filter(|code| !COMMON_ERRORS.contains(code)))
        .map(|code| json!({ "code": code.number(), "message": code.name() }));
    json!({
        "name": method.name(),
        "summary": summary,
        "description": doc,
        "paramStructure": "either",
        "params": params,
        "result": { "name": "result", "schema": answer },
        "errors": errors.collect::<Vec<_>>(),
        "tags": [{ "name": method.group() }],
        "x-right": method.right().name(),
    })
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::methods::Method;
    use serde_json::Value;

    /// Every reference of the document leads somewhere inside it.
    fn check_references(part: &Value, all: &Value) {
        match part {
            Value::Object(members) => {
                if let Some(Value::String(path)) = members.get("$ref") {
                    let pointer = path.strip_prefix('#').unwrap();
                    assert!(all.pointer(pointer).is_some(), "{path} leads nowhere");
                }
                members.values().for_each(|part| check_references(part, all));
            }
            Value::Array(items) => items.iter().for_each(|part| check_references(part, all)),
            _ => {}
        }
    }

    fn text<'a>(part: &'a Value, key: &str) -> &'a str {
        part[key]
            .as_str()
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| panic!("{key}: {part}"))
    }

    /// The members are among those that OpenRPC 1 knows, or extensions.
    fn check_members(part: &Value, known: &[&str]) {
        for key in part.as_object().unwrap_or_else(|| panic!("no object: {part}")).keys() {
            assert!(known.contains(&key.as_str()) || key.starts_with("x-"), "{key} in {part}");
        }
    }

    /// A descriptor of content: a parameter or a result.
    fn check_descriptor(part: &Value) {
        check_members(
            part,
            &["name", "summary", "description", "required", "schema", "deprecated"],
        );
        text(part, "name");
        assert!(part["schema"].is_object() || part["schema"].is_boolean(), "{part}");
    }

    /// What the specification of OpenRPC 1 demands of a document (sections on the OpenRPC, Info, Method,
    /// Content Descriptor, Error and Tag objects).
    #[test]
    fn the_document_is_one_of_openrpc() {
        let document = document("1.2.3");
        check_members(
            &document,
            &["openrpc", "info", "servers", "methods", "components", "externalDocs"],
        );
        let version: Vec<u32> =
            text(&document, "openrpc").split('.').map(|part| part.parse().unwrap()).collect();
        assert!(matches!(version.as_slice(), [1, _, _]));
        text(&document["info"], "title");
        assert_eq!(text(&document["info"], "version"), "1.2.3");
        let mut names = std::collections::BTreeSet::new();
        for method in document["methods"].as_array().unwrap() {
            check_members(
                method,
                &[
                    "name",
                    "tags",
                    "summary",
                    "description",
                    "params",
                    "result",
                    "deprecated",
                    "servers",
                    "errors",
                    "links",
                    "paramStructure",
                    "examples",
                ],
            );
            assert!(names.insert(text(method, "name").to_owned()), "twice: {method}");
            assert!(!text(method, "name").starts_with("rpc."), "reserved: {method}");
            assert!(["by-name", "by-position", "either"].contains(&text(method, "paramStructure")));
            let mut params = std::collections::BTreeSet::new();
            for param in method["params"].as_array().unwrap() {
                check_descriptor(param);
                assert!(params.insert(text(param, "name")), "twice: {param}");
            }
            check_descriptor(&method["result"]);
            let mut codes = std::collections::BTreeSet::new();
            for error in method["errors"].as_array().unwrap() {
                check_members(error, &["code", "message", "data"]);
                text(error, "message");
                assert!(codes.insert(error["code"].as_i64().unwrap()), "twice: {error}");
            }
            for tag in method["tags"].as_array().unwrap() {
                check_members(tag, &["name", "summary", "description", "externalDocs"]);
                text(tag, "name");
            }
        }
    }

    #[test]
    fn the_document_is_whole() {
        let document = document("1.2.3");
        check_references(&document, &document);
        let methods = document["methods"].as_array().unwrap();
        assert_eq!(methods.len(), Method::ALL.len());
        for method in methods {
            let name = method["name"].as_str().unwrap();
            for param in method["params"].as_array().unwrap() {
                assert!(!param["description"].as_str().unwrap().is_empty(), "{name} {param}");
                assert!(param["schema"].is_object(), "{name} {param}");
            }
            // What must be given stands before what may be left out.
            let required: Vec<bool> = method["params"]
                .as_array()
                .unwrap()
                .iter()
                .map(|param| param["required"].as_bool().unwrap())
                .collect();
            assert!(required.is_sorted_by(|a, b| a >= b), "{name}");
        }
    }
}
