use std::collections::HashSet;
use std::path::PathBuf;

use super::{Bytes, Config, ConfigError, ENV_PREFIX, Effective, FIELDS, Origin, Setting, Source};

fn file(text: &str) -> Source {
    Source { file: Some((PathBuf::from("node.toml"), text.to_owned())), ..Source::default() }
}

fn load(source: &Source) -> Result<Effective, ConfigError> {
    Effective::new(source)
}

#[test]
fn names_are_unique_and_leave_the_first_node_alone() {
    let keys: HashSet<_> = FIELDS.iter().map(|field| field.key).collect();
    assert_eq!(keys.len(), FIELDS.len());
    assert!(!ENV_PREFIX.starts_with("MVS_"));
    for field in FIELDS {
        assert!(!field.doc.trim().is_empty());
        assert!(!field.key.starts_with("no_"), "--no-x switches x off");
    }
}

#[test]
fn later_sources_win_and_are_named() {
    let mut source = file("[p2p]\nmax_inbound = 5\nmax_outbound = 6\nseeds = false\n");
    source.variables = vec![
        ("MVSNODE_MAX_INBOUND".to_owned(), "7".to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
    ];
    source.flags = vec![("connect", "127.0.0.1:1,[::1]:2".to_owned())];
    let effective = load(&source).unwrap();
    let p2p = &effective.config.p2p;
    assert_eq!((p2p.max_inbound, p2p.max_outbound, p2p.seeds), (7, 6, false));
    assert_eq!(p2p.connect.len(), 2);
    assert_eq!(effective.origin("max_inbound").to_string(), "environment MVSNODE_MAX_INBOUND");
    assert_eq!(effective.origin("max_outbound").to_string(), "node.toml");
    assert_eq!(effective.origin("connect").to_string(), "flag --connect");
    assert_eq!(effective.origin("relay"), &Origin::Default);
    assert!(effective.to_toml().contains("max_inbound = 7    # environment MVSNODE_MAX_INBOUND"));
}

#[test]
fn what_is_printed_is_read_back() {
    for text in [
        "",
        "[chain]\nnetwork = \"devnet\"\ndata_dir = \"/a b\\\"c\"\n[p2p]\nlisten = []\n\
        proxy = \"127.0.0.1:9050\"\nmax_upload = \"3 GB\"\n[log]\nlog_file_size = 1000\n",
    ] {
        let effective = load(&file(text)).unwrap();
        let again = load(&file(&effective.to_toml())).unwrap();
        assert_eq!(again.config, effective.config);
    }
    assert_eq!(load(&file("")).unwrap().config, Config::default());
}

#[test]
fn mistakes_are_named() {
    let message = |text: &str| load(&file(text)).unwrap_err().to_string();
    assert!(message("[p2p]\nmax_inbond = 3").contains("did you mean `p2p.max_inbound`"));
    assert!(message("[log]\nseeds = true").contains("did you mean `p2p.seeds`"));
    assert!(message("network = \"devnet\"").contains("did you mean `chain.network`"));
    assert!(message("[nonsense]").contains("unknown key `nonsense`"));
    assert!(message("[p2p]\nmax_inbound = -1").contains("`p2p.max_inbound`"));
    assert!(message("[p2p]\nseeds = \"maybe\"").contains("expected true or false"));
    assert!(message("[p2p\n").starts_with("node.toml: "));
    let source = Source {
        variables: vec![("MVSNODE_LISTN".to_owned(), "x".to_owned())],
        ..Source::default()
    };
    assert!(load(&source).unwrap_err().to_string().contains("did you mean MVSNODE_LISTEN"));
}

#[test]
fn bytes_have_units() {
    let bytes = |text| Bytes::parse(text).map(Bytes::get);
    assert_eq!(bytes("1_000"), Ok(1_000));
    assert_eq!(bytes("64 MiB"), Ok(64 << 20));
    assert_eq!(bytes("2gb"), Ok(2_000_000_000));
    assert_eq!(Bytes::new(3 << 30).to_toml(), "\"3 GiB\"");
    for bad in ["", "MiB", "-1", "1 XB", "99999999999 TiB"] {
        assert!(bytes(bad).is_err(), "{bad}");
    }
}

/// Configurations of earlier versions must stay readable.
#[test]
fn old_samples_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = load(&file(&text)) {
            panic!("{}: {error}", path.display());
        }
        count += 1;
    }
    assert!(count > 0);
}
