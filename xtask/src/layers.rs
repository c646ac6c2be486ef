//! `cargo xtask layers`: the tree has the shape that ARCHITECTURE.md draws.
//!
//! Compares `layers.toml` with `cargo metadata`, both ways, and looks for a second copy of the
//! secp256k1 C library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Two copies would be two sets of C symbols and two contexts; a key type of one does not fit the
/// other (docs/decisions/0001-dependencies.md).
const ONLY_ONCE: &str = "secp256k1-sys";

/// Runs the comparison on this workspace.
#[expect(clippy::print_stdout, reason = "the findings are for people")]
pub(crate) fn run() -> Result<ExitCode> {
    let root = crate::workspace_root();
    let table = std::fs::read_to_string(root.join("layers.toml")).context("layers.toml")?;
    let layers = parse_layers(&table)?;
    let output = process::cargo(&["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let problems = compare(&layers, &metadata)?;
    for problem in &problems {
        println!("layers: {problem}");
    }
    if problems.is_empty() {
        println!("layers: {} crates as drawn", layers.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "layers: {} problem(s). The table is layers.toml, its reasons ARCHITECTURE.md.",
        problems.len()
    );
    Ok(ExitCode::FAILURE)
}

/// One crate's row of `layers.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Layer {
    path: String,
    depends: BTreeSet<String>,
    dev: BTreeSet<String>,
}

type Layers = BTreeMap<String, Layer>;

fn parse_layers(text: &str) -> Result<Layers> {
    let table: toml::Table = text.parse().context("layers.toml")?;
    table
        .iter()
        .map(|(name, row)| {
            let row = row.as_table().with_context(|| format!("[{name}] is no table"))?;
            let mut layer = Layer::default();
            for (key, value) in row {
                match key.as_str() {
                    "path" => value.as_str().unwrap_or_default().clone_into(&mut layer.path),
                    "depends" => layer.depends = names(value).with_context(|| in_row(name, key))?,
                    "dev" => layer.dev = names(value).with_context(|| in_row(name, key))?,
                    _ => bail!("{}: unknown key", in_row(name, key)),
                }
            }
            if layer.path.is_empty() || !row.contains_key("depends") {
                bail!("[{name}] needs `path` and `depends`");
            }
            Ok((name.clone(), layer))
        })
        .collect()
}

fn in_row(name: &str, key: &str) -> String {
    format!("layers.toml [{name}] {key}")
}

fn names(value: &toml::Value) -> Result<BTreeSet<String>> {
    let list = value.as_array().context("expected a list of crate names")?;
    list.iter().map(|name| Ok(name.as_str().context("expected a crate name")?.to_owned())).collect()
}

/// A crate of the workspace, as cargo sees it.
struct Member<'a> {
    folder: String,
    dependencies: Vec<(&'a str, bool)>,
}

/// Returns every way in which the metadata departs from the table, in a stable order.
fn compare(layers: &Layers, metadata: &Value) -> Result<Vec<String>> {
    let members = members(metadata)?;
    let mut problems = Vec::new();
    for (name, member) in &members {
        let Some(layer) = layers.get(*name) else {
            problems.push(format!("crate {name} ({}) is missing in layers.toml", member.folder));
            continue;
        };
        if layer.path != member.folder {
            problems.push(format!(
                "crate {name} is in {}, layers.toml says {}",
                member.folder, layer.path
            ));
        }
        for (dependency, is_dev) in &member.dependencies {
            if !members.contains_key(dependency) || dependency == name {
                continue;
            }
            let allowed =
                layer.depends.contains(*dependency) || (*is_dev && layer.dev.contains(*dependency));
            if !allowed {
                let kind = if *is_dev { " (dev-dependency)" } else { "" };
                problems.push(format!("forbidden edge {name} -> {dependency}{kind}"));
            }
        }
    }
    for (name, layer) in layers {
        if !members.contains_key(name.as_str()) {
            problems.push(format!("stale entry: layers.toml has {name}, the workspace has not"));
        }
        for other in layer.depends.union(&layer.dev) {
            if !members.contains_key(other.as_str()) {
                problems.push(format!(
                    "stale entry: layers.toml lets {name} use {other}, which does not exist"
                ));
            }
        }
    }
    let copies = reachable_copies(metadata, ONLY_ONCE)?;
    if copies.len() > 1 {
        problems.push(format!("{} copies of {ONLY_ONCE}: {}", copies.len(), copies.join(", ")));
    }
    Ok(problems)
}

fn members(metadata: &Value) -> Result<BTreeMap<&str, Member<'_>>> {
    let ids = member_ids(metadata)?;
    let root = Path::new(text(metadata, "workspace_root")?);
    let mut members = BTreeMap::new();
    for package in list(metadata, "packages")? {
        if !ids.contains(text(package, "id")?) {
            continue;
        }
        let manifest = Path::new(text(package, "manifest_path")?);
        let folder = manifest.parent().unwrap_or(manifest);
        let folder = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
        let dependencies = list(package, "dependencies")?
            .iter()
            .map(|dependency| Ok((text(dependency, "name")?, dependency["kind"] == "dev")))
            .collect::<Result<_>>()?;
        members.insert(text(package, "name")?, Member { folder, dependencies });
    }
    Ok(members)
}

/// Returns the versions of `name` that the workspace really builds: dev-dependencies, which may be
/// oracles with old libraries, do not count.
fn reachable_copies(metadata: &Value, name: &str) -> Result<Vec<String>> {
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in list(&metadata["resolve"], "nodes")? {
        let mut targets = Vec::new();
        for dependency in list(node, "deps")? {
            let kinds = list(dependency, "dep_kinds")?;
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                targets.push(text(dependency, "pkg")?);
            }
        }
        edges.insert(text(node, "id")?, targets);
    }
    let mut seen = member_ids(metadata)?;
    let mut open: Vec<&str> = seen.iter().copied().collect();
    while let Some(id) = open.pop() {
        for target in edges.get(id).into_iter().flatten() {
            if seen.insert(target) {
                open.push(target);
            }
        }
    }
    let mut copies = Vec::new();
    for package in list(metadata, "packages")? {
        if package["name"] == name && seen.contains(text(package, "id")?) {
            copies.push(text(package, "version")?.to_owned());
        }
    }
    Ok(copies)
}

fn member_ids(metadata: &Value) -> Result<BTreeSet<&str>> {
    list(metadata, "workspace_members")?
        .iter()
        .map(|id| id.as_str().context("a member's id is no text"))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no text {key:?}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value]> {
    let list = value[key].as_array().with_context(|| format!("cargo metadata has no list {key:?}"));
    Ok(list?.as_slice())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Layers, compare, parse_layers};

    const TABLE: &str = r#"
        [low]
        path = "crates/low"
        depends = []
        [high]
        path = "high"
        depends = ["low"]
        dev = ["kit"]
        [kit]
        path = "kit"
        depends = ["low"]
    "#;

    fn layers() -> Layers {
        parse_layers(TABLE).unwrap()
    }

    fn package(name: &str, folder: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<Value> =
            dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({
            "id": name,
            "name": name,
            "version": "1.0.0",
            "manifest_path": format!("/ws/{folder}/Cargo.toml"),
            "dependencies": dependencies,
        })
    }

    fn metadata(packages: Vec<Value>, nodes: Value) -> Value {
        json!({
            "workspace_root": "/ws",
            "workspace_members": ["low", "high", "kit"],
            "packages": packages,
            "resolve": { "nodes": nodes },
        })
    }

    fn problems(low: &[(&str, Option<&str>)], high: &[(&str, Option<&str>)]) -> Vec<String> {
        let packages = vec![
            package("low", "crates/low", low),
            package("high", "high", high),
            package("kit", "kit", &[]),
        ];
        compare(&layers(), &metadata(packages, json!([]))).unwrap()
    }

    #[test]
    fn what_the_table_allows_passes() {
        let high = [("low", None), ("serde", None), ("kit", Some("dev"))];
        assert_eq!(problems(&[("serde", None)], &high), [""; 0]);
    }

    #[test]
    fn a_forbidden_edge_is_named() {
        assert_eq!(problems(&[("high", None)], &[]), ["forbidden edge low -> high"]);
        assert_eq!(problems(&[("high", Some("build"))], &[]), ["forbidden edge low -> high"]);
        assert_eq!(
            problems(&[("kit", Some("dev"))], &[]),
            ["forbidden edge low -> kit (dev-dependency)"]
        );
    }

    #[test]
    fn what_is_allowed_in_tests_is_not_allowed_in_the_program() {
        assert_eq!(problems(&[], &[("kit", None)]), ["forbidden edge high -> kit"]);
    }

    #[test]
    fn missing_moved_and_stale_crates_are_named() {
        let packages = vec![package("low", "low", &[]), package("high", "high", &[])];
        let mut metadata = metadata(packages, json!([]));
        metadata["workspace_members"] = json!(["low", "high"]);
        let mut layers = layers();
        let high = layers.remove("high").unwrap();
        assert_eq!(
            compare(&layers, &metadata).unwrap(),
            [
                "crate high (high) is missing in layers.toml",
                "crate low is in low, layers.toml says crates/low",
                "stale entry: layers.toml has kit, the workspace has not",
            ]
        );
        layers.remove("kit");
        layers.insert("high".to_owned(), high);
        assert!(compare(&layers, &metadata).unwrap().contains(
            &"stale entry: layers.toml lets high use kit, which does not exist".to_owned()
        ));
    }

    #[test]
    fn a_second_c_library_is_found_but_not_behind_a_dev_dependency() {
        let sys = |version: &str| {
            let mut package = package("secp256k1-sys", "x", &[]);
            package["id"] = json!(format!("sys-{version}"));
            package["version"] = json!(version);
            package
        };
        let packages = vec![
            package("low", "crates/low", &[]),
            package("high", "high", &[]),
            package("kit", "kit", &[]),
            sys("0.14.1"),
            sys("0.4.2"),
        ];
        let nodes = |kind: Value| {
            json!([
                { "id": "low", "deps": [{ "pkg": "sys-0.14.1", "dep_kinds": [{ "kind": null }] }] },
                { "id": "high", "deps": [{ "pkg": "old", "dep_kinds": [{ "kind": kind }] }] },
                { "id": "old", "deps": [{ "pkg": "sys-0.4.2", "dep_kinds": [{ "kind": null }] }] },
            ])
        };
        let run = |kind| compare(&layers(), &metadata(packages.clone(), nodes(kind))).unwrap();
        assert_eq!(run(json!("dev")), [""; 0]);
        assert_eq!(run(json!(null)), ["2 copies of secp256k1-sys: 0.14.1, 0.4.2"]);
    }

    #[test]
    fn a_table_with_a_mistyped_key_is_refused() {
        assert!(parse_layers("[a]\npath = 'a'\ndepend = []").is_err());
        assert!(parse_layers("[a]\npath = 'a'").is_err());
    }
}
