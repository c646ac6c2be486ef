//! As much of JSON Schema as the document uses.

use serde_json::Value;

/// Rules that look at the same value with other schemas.
const COMBINED: [&str; 4] = ["oneOf", "anyOf", "allOf", "$ref"];

/// Compares a value with a schema; references lead into the document. Members that no schema names were
/// forgotten there, and are an error.
pub(crate) fn check(value: &Value, schema: &Value, document: &Value) -> Result<(), String> {
    look(value, schema, document, true)
}

fn look(value: &Value, schema: &Value, document: &Value, is_strict: bool) -> Result<(), String> {
    let Value::Object(rules) = schema else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err("never".to_owned()) };
    };
    let is_combined = COMBINED.iter().any(|rule| rules.contains_key(*rule));
    // Where members are named here and in a combined schema, neither names all.
    let part_is_strict = is_strict && !(is_combined && rules.contains_key("properties"));
    let part = |value: &Value, schema: &Value| look(value, schema, document, part_is_strict);
    for (rule, wanted) in rules {
        look_at_rule(value, rule, wanted, document, part_is_strict && !is_combined, &part)
            .map_err(|error| format!("{error} in {value}"))?;
    }
    Ok(())
}

fn look_at_rule(
    value: &Value,
    rule: &str,
    wanted: &Value,
    document: &Value,
    names_all: bool,
    part: &dyn Fn(&Value, &Value) -> Result<(), String>,
) -> Result<(), String> {
    let any = || wanted.as_array().into_iter().flatten();
    let fits = |schema: &&Value| part(value, schema).is_ok();
    let demand = |good: bool, text: String| if good { Ok(()) } else { Err(text) };
    match rule {
        "$ref" => {
            let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
            part(value, document.pointer(path).ok_or("a reference leads nowhere")?)
        }
        "type" => {
            let is = |kind: &Value| match kind.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                other => panic!("unknown type {other}"),
            };
            let good = if wanted.is_array() { any().any(is) } else { is(wanted) };
            demand(good, format!("no {wanted}"))
        }
        "required" => {
            let missing = any().find(|name| value.get(name.as_str().unwrap()).is_none());
            missing.map_or(Ok(()), |name| Err(format!("no {name}")))
        }
        "properties" => {
            let named = wanted.as_object().unwrap();
            for (name, member) in value.as_object().into_iter().flatten() {
                match named.get(name) {
                    Some(schema) => look(member, schema, document, true)?,
                    None => demand(!names_all, format!("{name} is not in the schema"))?,
                }
            }
            Ok(())
        }
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .try_for_each(|item| look(item, wanted, document, true)),
        "anyOf" => demand(any().any(|schema| fits(&schema)), "none of several fits".to_owned()),
        "oneOf" => {
            let count = any().filter(fits).count();
            demand(count == 1, format!("{count} of several fit"))
        }
        "allOf" => any().try_for_each(|schema| part(value, schema)),
        "enum" => demand(any().any(|one| one == value), "not in the list".to_owned()),
        "const" => demand(wanted == value, format!("not {wanted}")),
        "minimum" => {
            let both = value.as_f64().zip(wanted.as_f64());
            demand(both.is_none_or(|(value, least)| value >= least), format!("below {wanted}"))
        }
        "maximum" => {
            let both = value.as_f64().zip(wanted.as_f64());
            demand(both.is_none_or(|(value, most)| value <= most), format!("above {wanted}"))
        }
        "description" | "title" | "format" | "default" | "additionalProperties" => Ok(()),
        other => panic!("the check does not know the rule {other}"),
    }
}
