//! Writes the vectors that do not come from the network.
//!
//! The bytes are put together by hand here, field after field as the README's tables have them, and
//! each expected code is written down by hand: nothing of the code under test is used.

use serde_json::{Map, Value, json};

/// A key hash, and its addresses on the main and the test network.
const KEY_HASH: &str = "61fde3bd4e6955c99b16de2d71e2a369888a1c0b";
const ADDRESS: &str = "MGqHvbaH9wzdr6oUDFz4S1HptjoKQcjRve";
const TESTNET_ADDRESS: &str = "tFrjjxXTpqg6pUY96ZdbmfFQMadx7wGWdn";
/// Another one.
const OTHER_HASH: &str = "7f8ac2a0179a4eb308c7ae837aed878b5ed25de2";
const OTHER_ADDRESS: &str = "MKXYH2MhpvA3GU7kMk8y3SoywGnyHEj5SB";
/// A script hash.
const SCRIPT_HASH: &str = "fb142c5346a3a8091ad9fb70918a81b55b1ef774";
const SCRIPT_ADDRESS: &str = "3QabhM8fsQMxTQerGKfiuteZNCfsSKxPRX";
const BLACKHOLE: &str = "1111111111111111111114oLvT2";
/// Base58Check of 0x2a, an option byte, a key (the generator of secp256k1), no further keys, no
/// signatures and a prefix of no bits.
const STEALTH_ADDRESS: &str = "hf2WtjPPZ7tf5J1tXJhtFr9btNQzQgnMNK9cV8rH2wvoR5w8bhCpv4Fkj";
/// As before with option 1, one signature and a prefix of 8 bits.
const STEALTH_PREFIX_ADDRESS: &str = "46ToqFpkQivVAFiYfV8A21Br3jB7wvSegivL5wQfkaEb8j5hg8HxeYkvfWe";
/// As the first, with a byte behind.
const LONGER_THAN_STEALTH: &str = "46SqgwL5pYmR13x6vQm9TEXvxyjWtPYbAu571dBeVmbSTsJmvY8T8Ncr7NF";

const MINING: u32 = 0x6000_0004;

/// Bytes under construction.
#[derive(Clone, Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn new() -> Self {
        Self::default()
    }
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn size(mut self, value: usize) -> Self {
        match value {
            0..=0xfc => self.0.push(value as u8),
            _ => {
                self.0.push(0xfd);
                self.0.extend((value as u16).to_le_bytes());
            }
        }
        self
    }
    fn text(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let mut wire = self.size(text.len());
        wire.0.extend(text);
        wire
    }
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    fn hex(self, text: &str) -> Self {
        self.raw(&hex::decode(text).unwrap())
    }
}

/// Version and type of an attachment of version 1.
fn head(type_number: u32) -> Wire {
    Wire::new().u32(1).u32(type_number)
}

/// The same in version 207.
fn bound(type_number: u32, to: &str, from: &str) -> Wire {
    Wire::new().u32(207).u32(type_number).text(to).text(from)
}

fn etp() -> Wire {
    head(0)
}

fn message(text: &str) -> Wire {
    head(3).text(text)
}

struct Detail {
    symbol: &'static str,
    supply: u64,
    threshold: u8,
    issuer: &'static str,
    address: &'static str,
    description: String,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            symbol: "SUN.SHINE",
            supply: 1_000_000,
            threshold: 0,
            issuer: "alice",
            address: ADDRESS,
            description: "a sunny example".to_owned(),
        }
    }
}

impl Detail {
    fn after(&self, head: Wire) -> Wire {
        head.u32(1)
            .text(self.symbol)
            .u64(self.supply)
            .u8(8)
            .u8(self.threshold)
            .u8(0)
            .u8(0)
            .text(self.issuer)
            .text(self.address)
            .text(&self.description)
    }
    fn wire(&self) -> Wire {
        self.after(head(2))
    }
}

fn transfer(symbol: &str, quantity: u64) -> Wire {
    head(2).u32(2).text(symbol).u64(quantity)
}

fn did(status: u32, symbol: &str, address: &str) -> Wire {
    head(4).u32(status).text(symbol).text(address)
}

fn cert_after(head: Wire, symbol: &str, owner: &str, kind: u32, status: u8) -> Wire {
    head.text(symbol).text(owner).text(ADDRESS).u32(kind).u8(status)
}

fn cert(symbol: &str, kind: u32, status: u8) -> Wire {
    cert_after(head(5), symbol, "alice", kind, status)
}

fn mit(status: u8, symbol: &str, address: &str) -> Wire {
    head(6).u8(status).text(symbol).text(address)
}

fn mit_register(symbol: &str, content: &str) -> Wire {
    mit(1, symbol, ADDRESS).text(content)
}

fn pay(hash: &str) -> Wire {
    Wire::new().hex("76a914").hex(hash).hex("88ac")
}

fn output_to(script: Wire, value: u64, attachment: Wire) -> Wire {
    Wire::new().u64(value).text(script.0).raw(&attachment.0)
}

/// An output to [`ADDRESS`] without coin.
fn output(attachment: Wire) -> Wire {
    output_to(pay(KEY_HASH), 0, attachment)
}

fn coin(value: u64) -> Wire {
    output_to(pay(KEY_HASH), value, etp())
}

fn input(seed: u8) -> Wire {
    Wire::new().raw(&[seed; 32]).u32(0).text("").u32(u32::MAX)
}

fn null_input() -> Wire {
    Wire::new().raw(&[0; 32]).u32(u32::MAX).text([1, 1]).u32(u32::MAX)
}

fn transaction_of(version: u32, inputs: &[Wire], outputs: &[Wire]) -> Wire {
    let mut wire = Wire::new().u32(version).size(inputs.len());
    for input in inputs {
        wire = wire.raw(&input.0);
    }
    wire = wire.size(outputs.len());
    for output in outputs {
        wire = wire.raw(&output.0);
    }
    wire.u32(0)
}

fn transaction(outputs: &[Wire]) -> Wire {
    transaction_of(4, &[input(1), input(2)], outputs)
}

/// A vector under construction.
struct Case(Map<String, Value>);

impl Case {
    fn new(name: &str, kind: &str, wire: &Wire) -> Self {
        let mut map = Map::new();
        map.insert("name".into(), json!(name));
        map.insert("kind".into(), json!(kind));
        map.insert("hex".into(), json!(hex::encode(&wire.0)));
        map.insert("ok".into(), json!(true));
        Self(map)
    }
    fn set(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.into(), value);
        self
    }
    fn breaks(self, code: &str) -> Self {
        self.set("ok", json!(false)).set("code", json!(code))
    }
    fn in_version(self, tx_version: u32) -> Self {
        self.set("tx_version", json!(tx_version))
    }
    fn on_testnet(self) -> Self {
        self.set("network", json!("testnet"))
    }
    fn canonical(self, wire: &Wire) -> Self {
        self.set("canonical_hex", json!(hex::encode(&wire.0)))
    }
    fn shows(self, value: Value) -> Self {
        self.set("value", value)
    }
}

fn file(description: &str, cases: Vec<Case>) -> String {
    let cases: Vec<String> = cases
        .into_iter()
        .map(|case| format!("  {}", serde_json::to_string(&Value::Object(case.0)).unwrap()))
        .collect();
    format!(
        "{{\n \"description\": {},\n \"origin\": \"generated by tests/common/generate.rs\",\n \"vectors\": [\n{}\n ]\n}}\n",
        json!(description),
        cases.join(",\n")
    )
}

fn attachment(name: &str, wire: &Wire) -> Case {
    Case::new(name, "attachment", wire)
}

fn cut(wire: &Wire, bytes: usize) -> Wire {
    Wire(wire.0[..wire.0.len() - bytes].to_vec())
}

/// Returns `attachments.json`.
pub(crate) fn attachments() -> String {
    let mut cases = valid_attachments();
    cases.extend(undecodable_attachments());
    cases.extend(invalid_attachments());
    cases.extend(symbol_attachments());
    cases.extend(lenient_attachments());
    file(
        "Attachments by themselves, in a transaction of version 4 unless tx_version says otherwise.",
        cases,
    )
}

fn valid_attachments() -> Vec<Case> {
    let detail = Detail::default();
    let secondary = Detail { threshold: 128 + 50, supply: 0, ..Detail::default() };
    let content = cert("MVS", MINING, 0).text("x");
    vec![
        attachment("etp", &etp()).shows(json!({"version": 1, "type": "etp"})),
        attachment("etp, version 0", &Wire::new().u32(0).u32(0)),
        attachment("etp, version 2", &Wire::new().u32(2).u32(0)),
        attachment("etp, version 207", &bound(0, "bob", "alice")).shows(
            json!({"version": 207, "to_did": "bob", "from_did": "alice", "type": "etp"}),
        ),
        attachment("etp, version 207 without names", &bound(0, "", "")),
        attachment("award", &head(1).u64(1_000_000))
            .shows(json!({"version": 1, "type": "etp-award", "height": 1_000_000})),
        attachment("asset issue", &detail.wire()).shows(json!({
            "version": 1, "type": "asset-issue", "symbol": "SUN.SHINE", "maximum_supply": 1_000_000,
            "decimal_number": 8, "secondaryissue_threshold": 0, "issuer": "alice",
            "address": ADDRESS, "description": "a sunny example"})),
        attachment("asset issue, version 207", &detail.after(bound(2, "alice", "alice"))),
        attachment("asset issue, largest supply", &Detail { supply: u64::MAX, ..Detail::default() }.wire()),
        attachment("asset issue, threshold 100", &Detail { threshold: 100, ..Detail::default() }.wire()),
        attachment("asset issue, threshold 127", &Detail { threshold: 127, ..Detail::default() }.wire()),
        attachment("asset issue, longest",
            // 9 + 5 + 34 + 204 + 16 = 268
            &Detail { description: "d".repeat(204), ..Detail::default() }.wire()),
        attachment("secondary issue of nothing", &secondary.wire()).shows(json!({
            "version": 1, "type": "asset-secondaryissue", "symbol": "SUN.SHINE", "maximum_supply": 0,
            "decimal_number": 8, "secondaryissue_threshold": 50, "issuer": "alice",
            "address": ADDRESS, "description": "a sunny example"})),
        attachment("asset transfer", &transfer("SUN.SHINE", 42)).shows(
            json!({"version": 1, "type": "asset-transfer", "symbol": "SUN.SHINE", "quantity": 42})),
        attachment("asset transfer, symbol of 63", &transfer(&"A".repeat(63), 1)),
        attachment("asset transfer, lower case is no new symbol", &transfer("sun", 1)),
        attachment("message", &message("hello"))
            .shows(json!({"version": 1, "type": "message", "content": "hello"})),
        attachment("message, not UTF-8", &head(3).text([0xff, b'a']))
            .shows(json!({"version": 1, "type": "message", "content": {"hex": "ff61"}})),
        attachment("message, longest", &message(&"m".repeat(252))),
        attachment("identity register", &did(1, "alice", ADDRESS)).shows(
            json!({"version": 1, "type": "did-register", "symbol": "alice", "address": ADDRESS})),
        attachment("identity register, all characters", &did(1, "a.b@c_d-9", ADDRESS)),
        attachment("identity transfer", &did(2, "alice", ADDRESS)).shows(
            json!({"version": 1, "type": "did-transfer", "symbol": "alice", "address": ADDRESS})),
        attachment("identity transfer, old symbols are not checked", &did(2, "a b", ADDRESS)),
        attachment("issue certificate", &cert("SUN.SHINE", 1, 3)).shows(json!({
            "version": 1, "type": "asset-cert", "symbol": "SUN.SHINE", "owner": "alice",
            "address": ADDRESS, "cert_type": 1, "cert": "issue", "status": 3})),
        attachment("domain certificate", &cert("SUN", 2, 0)),
        attachment("naming certificate", &cert("SUN.SHINE", 3, 1)),
        attachment("mining certificate", &content).shows(json!({
            "version": 1, "type": "asset-cert", "symbol": "MVS", "owner": "alice",
            "address": ADDRESS, "cert_type": MINING, "cert": "mining", "status": 0, "content": "x"})),
        attachment("witness certificate", &cert("MVS.WITNESS.1", 5, 1)),
        attachment("custom certificate", &cert("MARRIED", 0x8000_0000, 1)),
        attachment("certificate of unknown type", &cert("SUN", 6, 1)),
        attachment("certificate of unknown status", &cert("SUN", 1, 9)),
        attachment("certificate, transfer, version 207",
            &cert_after(bound(5, "alice", "bob"), "SUN", "alice", 2, 2)),
        attachment("certificate, longest",
            // 4 + 153 + 35 + 5 = 197
            &cert_after(head(5), "SUN", &"o".repeat(152), 1, 1)),
        attachment("certificate with content, longest",
            // 4 + 6 + 35 + 5 + 211 = 261
            &cert("MVS", MINING, 0).text("c".repeat(210))),
        attachment("item register", &mit_register("my.item", "what it says")).shows(json!({
            "version": 1, "type": "mit", "symbol": "my.item", "address": ADDRESS, "status": 1,
            "content": "what it says"})),
        attachment("item register, no content", &mit_register("my.item", "")),
        attachment("item register, longest",
            // 7 + 34 + 3 + 3 + 338 = 385
            &mit_register("my.item", &"c".repeat(338))),
        attachment("item transfer", &mit(2, "my.item", ADDRESS)).shows(json!({
            "version": 1, "type": "mit", "symbol": "my.item", "address": ADDRESS, "status": 2})),
        attachment("item transfer, version 207",
            &bound(6, "bob", "alice").u8(2).text("my.item").text(ADDRESS)),
    ]
}

fn undecodable_attachments() -> Vec<Case> {
    let detail = Detail::default().wire();
    vec![
        attachment("nothing", &Wire::new()).breaks("decode.truncated"),
        attachment("version only", &Wire::new().u32(1)).breaks("decode.truncated"),
        attachment("truncated version 207", &Wire::new().u32(207).u32(0).text("bob"))
            .breaks("decode.truncated"),
        attachment("truncated award", &head(1).u32(7)).breaks("decode.truncated"),
        attachment("truncated asset issue", &cut(&detail, 1)).breaks("decode.truncated"),
        attachment("truncated transfer", &cut(&transfer("SUN", 1), 1)).breaks("decode.truncated"),
        attachment("message longer than the input", &head(3).u8(5).raw(b"four"))
            .breaks("decode.truncated"),
        attachment("message of 2^64-1 bytes", &head(3).u8(0xff).u64(u64::MAX))
            .breaks("decode.truncated"),
        attachment("message of 2^32-1 bytes", &head(3).u8(0xfe).u32(u32::MAX))
            .breaks("decode.truncated"),
        attachment("truncated identity", &cut(&did(1, "alice", ADDRESS), 1))
            .breaks("decode.truncated"),
        attachment("truncated certificate", &cut(&cert("SUN", 1, 1), 1)).breaks("decode.truncated"),
        attachment("certificate without its content", &cert("SUN", MINING, 1))
            .breaks("decode.truncated"),
        attachment("item register without content", &mit(1, "my.item", ADDRESS))
            .breaks("decode.truncated"),
        attachment("trailing after etp", &etp().u8(0)).breaks("decode.trailing"),
        attachment("trailing after a message", &message("hello").raw(b"!"))
            .breaks("decode.trailing"),
        attachment("certificate with content but no content bit", &cert("SUN", 1, 1).text("c"))
            .breaks("decode.trailing"),
        attachment("item transfer with content", &mit(2, "my.item", ADDRESS).text("c"))
            .breaks("decode.trailing"),
        attachment("unknown type with a body", &head(7).u8(0)).breaks("decode.trailing"),
        attachment("asset status 0", &head(2).u32(0)).breaks("decode.asset_status"),
        attachment("asset status 3", &head(2).u32(3).text("SUN").u64(1))
            .breaks("decode.asset_status"),
        attachment("identity status 0", &did(0, "alice", ADDRESS)).breaks("decode.did_status"),
        attachment("identity status 3", &did(3, "alice", ADDRESS)).breaks("decode.did_status"),
        attachment("identity status in one byte", &head(4).u8(1).text("alice").text(ADDRESS))
            .breaks("decode.did_status"),
    ]
}

fn invalid_attachments() -> Vec<Case> {
    let secondary = Detail { threshold: 128, ..Detail::default() };
    let detail = |threshold| Detail { threshold, ..Detail::default() }.wire();
    vec![
        attachment("type 7", &head(7)).breaks("attachment.type"),
        attachment("type 2^32-1", &head(u32::MAX)).breaks("attachment.type"),
        attachment("type 7, old transaction", &head(7))
            .in_version(3)
            .shows(json!({"version": 1, "type": "unknown", "number": 7})),
        attachment("transfer, empty symbol", &transfer("", 1)).breaks("attachment.symbol_empty"),
        attachment("transfer, symbol of 64", &transfer(&"A".repeat(64), 1))
            .breaks("attachment.too_long"),
        attachment("transfer, quantity 0", &transfer("SUN", 0)).breaks("attachment.quantity_zero"),
        attachment("transfer, quantity 0, old transaction", &transfer("SUN", 0)).in_version(2),
        attachment("issue, supply 0", &Detail { supply: 0, ..Detail::default() }.wire())
            .breaks("attachment.supply_zero"),
        attachment(
            "issue, one byte too long",
            &Detail { description: "d".repeat(205), ..Detail::default() }.wire(),
        )
        .breaks("attachment.too_long"),
        attachment("issue, threshold 101", &detail(101)).breaks("issue.threshold"),
        attachment("issue, threshold 126", &detail(126)).breaks("issue.threshold"),
        attachment("secondary issue, threshold 126", &detail(128 + 126)).breaks("issue.threshold"),
        attachment("secondary issue, threshold 0", &secondary.wire())
            .breaks("issue.secondary_forbidden"),
        attachment(
            "secondary issue, empty symbol",
            &Detail { symbol: "", threshold: 128 + 50, ..Detail::default() }.wire(),
        )
        .breaks("attachment.symbol_empty"),
        attachment("message, empty", &message("")).breaks("attachment.message_empty"),
        attachment("message of 253", &message(&"m".repeat(253))).breaks("attachment.too_long"),
        attachment("message of 253, old transaction", &message(&"m".repeat(253))).in_version(3),
        attachment("identity transfer, empty symbol", &did(2, "", ADDRESS))
            .breaks("attachment.symbol_empty"),
        attachment("identity, too long", &did(2, &"a".repeat(93), ADDRESS))
            .breaks("attachment.too_long"),
        attachment("certificate, no owner", &cert_after(head(5), "SUN", "", 1, 1))
            .breaks("attachment.owner_empty"),
        attachment("certificate, type 0", &cert("SUN", 0, 1)).breaks("attachment.cert_type_none"),
        attachment(
            "certificate, too long",
            &head(5).text("SUN").text("o".repeat(153)).text(ADDRESS).u32(1).u8(1),
        )
        .breaks("attachment.too_long"),
        attachment(
            "certificate with content, one byte too long",
            &cert("MVS", MINING, 0).text("c".repeat(211)),
        )
        .breaks("attachment.too_long"),
        attachment("item transfer, empty symbol", &mit(2, "", ADDRESS))
            .breaks("attachment.symbol_empty"),
        attachment("item, empty address", &mit(2, "my.item", ""))
            .breaks("attachment.address_empty"),
        attachment("item, status 3", &mit(3, "my.item", ADDRESS)).breaks("attachment.mit_status"),
        attachment("item, status 0", &mit(0, "my.item", ADDRESS)).breaks("attachment.mit_status"),
        attachment("item, status 3, old transaction", &mit(3, "my.item", ADDRESS)).in_version(2),
        attachment("item register, one byte too long", &mit_register("my.item", &"c".repeat(339)))
            .breaks("attachment.too_long"),
        attachment("item transfer, too long", &mit(2, &"a".repeat(93), ADDRESS))
            .breaks("attachment.too_long"),
        attachment("issuer is not to_did", &Detail::default().after(bound(2, "bob", "alice")))
            .breaks("binding.issuer"),
        attachment(
            "owner is not to_did",
            &cert_after(bound(5, "bob", "alice"), "SUN", "alice", 2, 2),
        )
        .breaks("binding.owner"),
    ]
}

fn symbol_attachments() -> Vec<Case> {
    let issue = |symbol| Detail { symbol, ..Detail::default() }.wire();
    let long = "A".repeat(65);
    vec![
        attachment("issue, empty symbol", &issue("")).breaks("symbol.empty"),
        attachment("issue, lower case", &issue("Sun")).breaks("symbol.lower_case"),
        attachment("issue, lower case, old transaction", &issue("Sun")).in_version(3),
        attachment("issue, underscore", &issue("SUN_SHINE")).breaks("symbol.character"),
        attachment("issue, underscore, old transaction", &issue("SUN_SHINE"))
            .in_version(1)
            .breaks("symbol.character"),
        attachment("issue, sensitive word", &issue("MYETPX")).breaks("symbol.sensitive_word"),
        attachment("issue, sensitive word, old transaction", &issue("MYETPX")).in_version(2),
        attachment("issue, only dots", &issue("...")),
        attachment("certificate, lower case", &cert("sun", 1, 2)).breaks("symbol.lower_case"),
        attachment("certificate, symbol of 65", &cert(&long, 1, 1)).breaks("symbol.too_long"),
        attachment("certificate, empty symbol", &cert("", 1, 1)).breaks("symbol.empty"),
        attachment("certificate, sensitive word", &cert("BITUSD", 2, 1))
            .breaks("symbol.sensitive_word"),
        attachment("identity, empty symbol", &did(1, "", ADDRESS)).breaks("symbol.empty"),
        attachment("identity, symbol of 64", &did(1, &"a".repeat(64), ADDRESS)),
        attachment("identity, symbol of 65", &did(1, &"a".repeat(65), ADDRESS))
            .breaks("symbol.too_long"),
        attachment("identity, space", &did(1, "al ice", ADDRESS)).breaks("symbol.character"),
        attachment("identity, not ASCII", &did(1, "älice", ADDRESS)).breaks("symbol.character"),
        attachment("identity, sensitive word", &did(1, "my-etp", ADDRESS))
            .breaks("symbol.sensitive_word"),
        attachment("identity, sensitive word, test network", &did(1, "my-etp", TESTNET_ADDRESS))
            .on_testnet(),
        attachment("identity, an address", &did(1, SCRIPT_ADDRESS, ADDRESS))
            .breaks("symbol.is_address"),
        attachment("identity, the blackhole", &did(1, BLACKHOLE, ADDRESS))
            .breaks("symbol.is_address"),
        attachment("identity, a stealth address", &did(1, STEALTH_ADDRESS, ADDRESS))
            .breaks("symbol.is_address"),
        attachment(
            "identity, a stealth address, test network",
            &did(1, STEALTH_ADDRESS, TESTNET_ADDRESS),
        )
        .on_testnet()
        .breaks("symbol.is_address"),
        attachment(
            "identity, a stealth address with a prefix",
            &did(1, STEALTH_PREFIX_ADDRESS, ADDRESS),
        )
        .breaks("symbol.is_address"),
        attachment(
            "identity, a stealth address and a byte behind",
            &did(1, LONGER_THAN_STEALTH, ADDRESS),
        ),
        attachment("item, space", &mit_register("my item", "c")).breaks("symbol.character"),
        attachment("item, empty symbol", &mit_register("", "c")).breaks("symbol.empty"),
        attachment("item, sensitive word in lower case", &mit_register("my-etp", "c"))
            .breaks("symbol.sensitive_word"),
        attachment("item, sensitive word, test network", &mit_register("my-etp", "c"))
            .on_testnet()
            .breaks("symbol.sensitive_word"),
        attachment("item, symbol of 65", &mit_register(&"a".repeat(65), "c"))
            .breaks("symbol.too_long"),
    ]
}

fn lenient_attachments() -> Vec<Case> {
    let hello = message("hello");
    vec![
        attachment("message, length in 3 bytes", &head(3).u8(0xfd).raw(&[5, 0]).raw(b"hello"))
            .canonical(&hello),
        attachment("message, length in 5 bytes", &head(3).u8(0xfe).u32(5).raw(b"hello"))
            .canonical(&hello),
        attachment("message, length in 9 bytes", &head(3).u8(0xff).u64(5).raw(b"hello"))
            .canonical(&hello),
        attachment("message, cut at NUL", &head(3).text(b"hello\0world")).canonical(&hello),
        attachment("transfer, symbol cut at NUL", &transfer("SUN\0MOON", 1))
            .canonical(&transfer("SUN", 1)),
        attachment("transfer, symbol cut to nothing", &transfer("\0SUN", 1))
            .canonical(&transfer("", 1))
            .breaks("attachment.symbol_empty"),
        attachment("version 207, names cut at NUL", &bound(0, "bob\0by", "\0"))
            .canonical(&bound(0, "bob", "")),
    ]
}

/// Returns `outputs.json`.
pub(crate) fn outputs() -> String {
    let case = |name: &str, wire: &Wire| Case::new(name, "output", wire);
    let p2sh = || Wire::new().hex("a914").hex(SCRIPT_HASH).hex("87");
    let blackhole = || Wire::new().hex("6a");
    let model = "PN=0;LH=20;TYPE=1;LQ=15;LP=60;UN=3";
    let tail = |wire: Wire| wire.hex("76a914").hex(KEY_HASH).hex("88ac");
    let point = Wire::new().raw(&[0; 32]).u32(u32::MAX);
    let locked = |push: Wire| tail(push.raw(model.as_bytes()).text(&point.0).u8(0xb2));
    let model_len = u8::try_from(model.len()).unwrap();
    let at = |script, address| output_to(script, 0, did(1, "alice", address));
    let max = 10_000_000_000_000_000;
    file(
        "Outputs by themselves, in a transaction of version 4 unless tx_version says otherwise.",
        vec![
            case("coin", &coin(100_000_000)).shows(json!({
                "value": 100_000_000,
                "script": {
                    "hex": format!("76a914{KEY_HASH}88ac"),
                    "text": format!("dup hash160 [{KEY_HASH}] equalverify checksig"),
                    "pattern": "pay_key_hash",
                    "address": ADDRESS,
                },
                "attachment": {"version": 1, "type": "etp"},
            })),
            case("largest value", &coin(max)),
            case("value too large", &coin(max + 1)).breaks("output.value"),
            case("value 2^64-1", &coin(u64::MAX)).breaks("output.value"),
            case("identity at its script", &at(pay(KEY_HASH), ADDRESS)),
            case("identity at a script hash", &at(p2sh(), SCRIPT_ADDRESS)),
            case("identity at the blackhole", &at(blackhole(), BLACKHOLE)),
            case("identity elsewhere", &at(pay(KEY_HASH), OTHER_ADDRESS)).breaks("output.address"),
            case("identity, no address", &at(pay(KEY_HASH), "")).breaks("output.address"),
            case("identity, address of the other network", &at(pay(KEY_HASH), TESTNET_ADDRESS))
                .breaks("output.address"),
            case("identity on the test network", &at(pay(KEY_HASH), TESTNET_ADDRESS)).on_testnet(),
            case(
                "a script without address counts as the blackhole",
                &at(Wire::new().hex("6a0474657374"), BLACKHOLE),
            ),
            case("issue elsewhere", &output_to(pay(OTHER_HASH), 0, Detail::default().wire()))
                .breaks("output.address"),
            case("certificate elsewhere", &output_to(pay(OTHER_HASH), 0, cert("SUN", 1, 1)))
                .breaks("output.address"),
            case("item elsewhere", &output_to(pay(OTHER_HASH), 0, mit(2, "my.item", ADDRESS)))
                .breaks("output.address"),
            case(
                "a transfer has no address field",
                &output_to(pay(OTHER_HASH), 0, transfer("SUN", 1)),
            ),
            case(
                "locked asset",
                &output_to(
                    locked(Wire::new().u8(0x4d).raw(&[model_len, 0])),
                    0,
                    transfer("SUN", 100),
                ),
            ),
            case(
                "locked asset, model pushed directly",
                &output_to(locked(Wire::new().u8(model_len)), 0, transfer("SUN", 100)),
            )
            .breaks("output.script"),
            case("relative lock", &output_to(tail(Wire::new().hex("0164b375")), 1, etp())),
            case("empty script", &output_to(Wire::new(), 1, etp())).breaks("output.script"),
            case("empty script, old transaction", &output_to(Wire::new(), 1, etp())).in_version(1),
            case("null output", &output_to(Wire::new(), 0, Wire::new().u32(0).u32(u32::MAX)))
                .breaks("output.script"),
            case("bad attachment inside", &output(transfer("SUN", 0)))
                .breaks("attachment.quantity_zero"),
            case("truncated value", &Wire::new().u32(1)).breaks("decode.truncated"),
            case("truncated script", &Wire::new().u64(1).u8(25).hex("76a914"))
                .breaks("decode.truncated"),
            case("no attachment", &Wire::new().u64(1).text(pay(KEY_HASH).0))
                .breaks("decode.truncated"),
            case("trailing", &coin(1).u8(0)).breaks("decode.trailing"),
            case(
                "script length in 3 bytes",
                &Wire::new().u64(1).u8(0xfd).raw(&[25, 0]).raw(&pay(KEY_HASH).0).raw(&etp().0),
            )
            .canonical(&coin(1)),
            // The opcode vanishes from the bytes, but the script has no standard pattern with it.
            case("opcode 0xbb vanishes", &output_to(pay(KEY_HASH).u8(0xbb), 1, etp()))
                .canonical(&coin(1))
                .breaks("output.script"),
            case(
                "opcode 0xbb vanishes, old transaction",
                &output_to(pay(KEY_HASH).u8(0xbb), 1, etp()),
            )
            .canonical(&coin(1))
            .in_version(1),
        ],
    )
}

fn whole(name: &str, outputs: &[Wire]) -> Case {
    Case::new(name, "transaction", &transaction(outputs))
}

fn versioned(name: &str, version: u32, outputs: &[Wire]) -> Case {
    let wire = transaction_of(version, &[input(1), input(2)], outputs);
    Case::new(name, "transaction", &wire)
}

/// Returns `transactions.json`.
pub(crate) fn transactions() -> String {
    let mut cases = basic_transactions();
    cases.extend(issue_transactions());
    cases.extend(secondary_transactions());
    cases.extend(cert_transactions());
    cases.extend(item_and_identity_transactions());
    cases.extend(transfer_transactions());
    file("Whole transactions. Their inputs are made up and unsigned.", cases)
}

fn basic_transactions() -> Vec<Case> {
    let case = |name: &str, wire: &Wire| Case::new(name, "transaction", wire);
    let one = &[coin(1)][..];
    let max = 10_000_000_000_000_000;
    let coinbase = |version| transaction_of(version, &[null_input()], one);
    let stake_input = Wire::new()
        .raw(&[1; 32])
        .u32(0)
        .text(Wire::new().text([0x30; 71]).text([2; 33]).0)
        .u32(u32::MAX);
    // hash160 of thirty-three bytes 0x02, whose address the stake input's script stands for.
    let staker = pay("51814f108670aced2d77c1805ddd6634bc9d4731");
    let null = output_to(Wire::new(), 0, Wire::new().u32(0).u32(u32::MAX));
    let stake = |version| {
        let outputs = [null.clone(), output_to(staker.clone(), 1, etp())];
        transaction_of(version, std::slice::from_ref(&stake_input), &outputs)
    };
    vec![
        whole("coin", one),
        versioned("version 0", 0, one),
        versioned("version 3", 3, one).breaks("tx.version"),
        versioned("version 3, test network", 3, one).on_testnet(),
        versioned("version 5", 5, one).breaks("tx.version"),
        versioned("version 2^32-1", u32::MAX, one).breaks("tx.version"),
        case("coinbase", &coinbase(1)),
        case("coinbase of version 4", &coinbase(4)).breaks("tx.coinbase_version"),
        case(
            "coinbase with an award",
            &transaction_of(1, &[null_input()], &[coin(1), output(head(1).u64(9))]),
        ),
        whole("award", &[output(head(1).u64(9))]).breaks("tx.award"),
        whole("no outputs", &[]).breaks("tx.empty"),
        case("no inputs", &transaction_of(4, &[], one)).breaks("tx.empty"),
        case("same input twice", &transaction_of(4, &[input(1), input(2), input(1)], one))
            .breaks("tx.duplicate_input"),
        case("null input beside another", &transaction_of(4, &[input(1), null_input()], one))
            .breaks("tx.null_input"),
        whole("value too large", &[coin(1), coin(max + 1)]).breaks("output.value"),
        whole("values too large together", &[coin(max), coin(1)]).breaks("tx.value_sum"),
        whole("script without pattern", &[coin(1), output_to(Wire::new().hex("61"), 1, etp())])
            .breaks("output.script"),
        versioned(
            "script without pattern, version 1",
            1,
            &[output_to(Wire::new().hex("61"), 1, etp())],
        ),
        versioned("unknown attachment, version 2", 2, &[output(head(9))]),
        whole("unknown attachment", &[coin(1), output(head(9))]).breaks("attachment.type"),
        whole("messages", &[coin(1), output(message("one")), output(message("two"))]),
        case("truncated", &cut(&transaction(one), 1)).breaks("decode.truncated"),
        case("trailing", &transaction(one).u8(0)).breaks("decode.trailing"),
        case("more inputs announced than there can be", &Wire::new().u32(4).u8(0xfe).u32(u32::MAX))
            .breaks("decode.count"),
        case(
            "more outputs announced than there can be",
            &Wire::new().u32(4).u8(1).raw(&input(1).0).u8(0xff).u64(u64::MAX).raw(&coin(1).0),
        )
        .breaks("decode.count"),
        case("attachment status that stops the parse", &transaction(&[output(head(2).u32(3))]))
            .breaks("decode.asset_status"),
        case(
            "output count in 3 bytes",
            &Wire::new().u32(4).u8(1).raw(&input(1).0).u8(0xfd).raw(&[1, 0]).raw(&coin(1).0).u32(0),
        )
        .canonical(&transaction_of(4, &[input(1)], one)),
        whole("message cut at NUL", &[output(head(3).text(b"hello\0world"))])
            .canonical(&transaction(&[output(message("hello"))])),
        case("coinstake", &stake(2)),
        case("coinstake of version 3", &stake(3)),
        case("coinstake of version 4", &stake(4)).breaks("attachment.type"),
        whole("null output without a coinstake", &[null.clone(), coin(1)]).breaks("output.script"),
    ]
}

fn issue_transactions() -> Vec<Case> {
    let detail = |threshold| output(Detail { threshold, ..Detail::default() }.wire());
    let domain = || output(cert("SUN", 2, 3));
    let naming = |symbol| output(cert(symbol, 3, 0));
    let right = |symbol| output(cert(symbol, 1, 3));
    let mining = |symbol| output(cert(symbol, MINING, 3).text("initial:1"));
    let elsewhere = |kind| {
        let body = head(5).text("SUN.SHINE").text("alice").text(OTHER_ADDRESS).u32(kind).u8(3);
        output_to(pay(OTHER_HASH), 0, if kind == MINING { body.text("x") } else { body })
    };
    vec![
        whole("issue", &[detail(0), domain(), coin(1), output(message("hi"))]),
        whole(
            "issue, all certificates",
            &[detail(50), right("SUN.SHINE"), domain(), mining("SUN.SHINE")],
        ),
        whole("issue with naming", &[detail(0), naming("SUN.SHINE")]),
        whole("issue, domain before", &[domain(), detail(0)]),
        whole("two issues", &[detail(0), detail(0), domain()]).breaks("issue.count"),
        whole("issue, threshold 101", &[detail(101), domain()]).breaks("issue.threshold"),
        whole("issue with transfer", &[detail(0), domain(), output(transfer("SUN.SHINE", 1))])
            .breaks("issue.companion"),
        whole("issue with identity", &[detail(0), domain(), output(did(1, "bob", ADDRESS))])
            .breaks("issue.companion"),
        whole("issue with witness certificate", &[detail(0), domain(), output(cert("SUN", 5, 0))])
            .breaks("issue.companion"),
        whole("issue, certificate of another symbol", &[detail(50), domain(), right("SUN.RISE")])
            .breaks("issue.cert"),
        whole("issue, certificate elsewhere", &[detail(50), domain(), elsewhere(1)])
            .breaks("issue.cert"),
        whole(
            "issue, two issue certificates",
            &[detail(50), domain(), right("SUN.SHINE"), right("SUN.SHINE")],
        )
        .breaks("issue.cert"),
        whole("issue, threshold 50 alone", &[detail(50), domain()]).breaks("issue.cert_missing"),
        versioned("issue, threshold 50 alone, version 2", 2, &[detail(50)]),
        whole("issue, another domain", &[detail(0), output(cert("MOON", 2, 3))])
            .breaks("issue.domain"),
        whole("issue, domain and naming", &[detail(0), domain(), naming("SUN.SHINE")])
            .breaks("issue.domain"),
        whole("issue, another name", &[detail(0), naming("SUN.RISE")]).breaks("issue.naming"),
        whole("issue without domain", &[detail(0), coin(1)]).breaks("issue.domain_missing"),
        whole(
            "issue of a symbol without domain",
            &[output(Detail { symbol: ".SUN", ..Detail::default() }.wire())],
        ),
        versioned("issue without domain, version 2", 2, &[detail(0), coin(1)]),
        whole("issue, mining elsewhere", &[detail(0), domain(), elsewhere(MINING)])
            .breaks("issue.mining"),
        whole(
            "issue, mining twice",
            &[detail(0), domain(), mining("SUN.SHINE"), mining("SUN.SHINE")],
        )
        .breaks("issue.mining"),
        whole("issue, issued domain", &[detail(0), output(cert("SUN", 2, 1))])
            .breaks("cert.companion"),
        whole(
            "issue, issuer is not to_did",
            &[output(Detail::default().after(bound(2, "bob", "alice"))), domain()],
        )
        .breaks("binding.issuer"),
        whole(
            "issue, address differs",
            &[output(Detail { address: OTHER_ADDRESS, ..Detail::default() }.wire()), domain()],
        )
        .breaks("output.address"),
        whole("issue, lower case", &[output(Detail { symbol: "Sun", ..Detail::default() }.wire())])
            .breaks("symbol.lower_case"),
    ]
}

fn secondary_transactions() -> Vec<Case> {
    let detail =
        |threshold: u8| output(Detail { threshold: threshold + 128, ..Detail::default() }.wire());
    let right = || output(cert("SUN.SHINE", 1, 0));
    vec![
        whole("secondary issue", &[detail(127), right(), coin(1)]),
        whole(
            "secondary issue with holding",
            &[detail(50), right(), output(transfer("SUN.SHINE", 500))],
        ),
        whole("two secondary issues", &[detail(127), detail(127), right()])
            .breaks("secondary.count"),
        whole("secondary issue, threshold 0", &[detail(0), right()])
            .breaks("issue.secondary_forbidden"),
        whole("secondary issue, threshold 110", &[detail(110), right()]).breaks("issue.threshold"),
        whole(
            "secondary issue with another asset",
            &[detail(50), right(), output(transfer("MOON", 1))],
        )
        .breaks("secondary.transfer"),
        whole(
            "secondary issue, holding elsewhere",
            &[detail(50), right(), output_to(pay(OTHER_HASH), 0, transfer("SUN.SHINE", 1))],
        )
        .breaks("secondary.transfer"),
        whole("secondary issue with domain", &[detail(127), output(cert("SUN", 2, 0))])
            .breaks("secondary.cert"),
        whole("secondary issue without certificate", &[detail(127), coin(1)])
            .breaks("secondary.cert_missing"),
        versioned("secondary issue without certificate, version 2", 2, &[detail(127), coin(1)]),
        whole(
            "secondary issue with identity",
            &[detail(127), right(), output(did(1, "bob", ADDRESS))],
        )
        .breaks("secondary.companion"),
        whole("issue and secondary issue", &[output(Detail::default().wire()), detail(127)])
            .breaks("issue.companion"),
    ]
}

fn cert_transactions() -> Vec<Case> {
    vec![
        whole("certificate issued", &[output(cert("KYC.ALICE", 0x8000_0001, 1)), coin(1)]),
        whole(
            "certificate transferred",
            &[output(cert("SUN", 2, 2)), coin(1), output(message("m"))],
        ),
        whole("naming issued", &[output(cert("SUN.SET", 3, 1)), output(cert("SUN", 2, 0))]),
        whole(
            "witness issued",
            &[output(cert("MVS.WITNESS.1", 5, 1)), output(cert("MVS.WITNESS", 5, 0))],
        ),
        whole("two certificates issued", &[output(cert("SUN", 2, 1)), output(cert("MOON", 1, 1))])
            .breaks("cert.count"),
        whole("issued and transferred", &[output(cert("SUN", 2, 1)), output(cert("SUN", 1, 2))])
            .breaks("cert.count"),
        whole("issued beside an asset", &[output(cert("SUN", 2, 1)), output(transfer("SUN", 1))])
            .breaks("cert.companion"),
        whole(
            "passed on beside an asset",
            &[output(cert("SUN", 2, 0)), output(transfer("SUN", 1))],
        ),
        whole(
            "passed on beside an identity",
            &[output(cert("SUN", 2, 0)), output(did(1, "bob", ADDRESS))],
        )
        .breaks("cert.companion"),
        whole("issued beside another", &[output(cert("SUN", 1, 1)), output(cert("SUN", 2, 0))])
            .breaks("cert.attendant"),
        whole("naming without domain", &[output(cert("SUN.SET", 3, 1))])
            .breaks("cert.naming_domain"),
        whole(
            "naming with another domain",
            &[output(cert("SUN.SET", 3, 1)), output(cert("MOON", 2, 0))],
        )
        .breaks("cert.naming_domain"),
        whole("witness alone", &[output(cert("MVS.WITNESS.1", 5, 1))]).breaks("cert.witness"),
        versioned("type 0 issued, version 2", 2, &[output(cert("SUN", 0, 1))])
            .breaks("cert.type_none"),
        whole("one type twice", &[output(cert("SUN", 2, 0)), output(cert("SUN", 2, 0))])
            .breaks("cert.type_twice"),
        whole("automatic issue alone", &[output(cert("SUN", 2, 3))]).breaks("cert.auto_issue"),
        whole(
            "owner is not to_did",
            &[output(cert_after(bound(5, "bob", "alice"), "SUN", "alice", 2, 2))],
        )
        .breaks("binding.owner"),
    ]
}

fn item_and_identity_transactions() -> Vec<Case> {
    let item = |symbol| output(mit_register(symbol, "c"));
    let moved = |symbol| output(mit(2, symbol, ADDRESS));
    let other = output_to(pay(OTHER_HASH), 1, etp());
    let item_elsewhere = output_to(pay(OTHER_HASH), 0, mit(1, "b", OTHER_ADDRESS).text("c"));
    vec![
        whole("items registered", &[item("a"), item("b"), coin(1), output(message("m"))]),
        whole("item transferred", &[moved("a"), other.clone()]),
        whole("item registered and transferred", &[item("a"), moved("b")]).breaks("mit.mixed"),
        versioned("item of status 3 only, version 2", 2, &[output(mit(3, "a", ADDRESS))])
            .breaks("mit.mixed"),
        whole("two items transferred", &[moved("a"), moved("b")]).breaks("mit.count"),
        whole("one item twice", &[item("a"), item("a")]).breaks("mit.symbol_twice"),
        whole("items at two addresses", &[item("a"), item_elsewhere]).breaks("mit.address"),
        whole("item, change elsewhere", &[item("a"), other.clone()]).breaks("mit.address"),
        whole("item, change to two addresses", &[moved("a"), coin(1), other]).breaks("mit.address"),
        whole("item beside an asset", &[item("a"), output(transfer("SUN", 1))])
            .breaks("mit.companion"),
        whole("identity registered", &[output(did(1, "bob", ADDRESS)), coin(1)]),
        whole("identity transferred", &[output(did(2, "bob", ADDRESS)), coin(1)]),
        whole(
            "two identities",
            &[output(did(1, "bob", ADDRESS)), output(did(1, "carol", ADDRESS))],
        )
        .breaks("did.count"),
        Case::new(
            "identity transferred with one input",
            "transaction",
            &transaction_of(4, &[input(1)], &[output(did(2, "bob", ADDRESS))]),
        )
        .breaks("did.transfer_inputs"),
        whole(
            "identity transferred beside an asset",
            &[output(did(2, "bob", ADDRESS)), output(transfer("SUN", 1))],
        )
        .breaks("did.companion"),
    ]
}

fn transfer_transactions() -> Vec<Case> {
    let asset = |symbol, quantity| output(transfer(symbol, quantity));
    vec![
        whole("transfer", &[asset("SUN", 1), asset("SUN", 2), coin(1), output(message("m"))]),
        whole("two assets", &[asset("SUN", 1), asset("MOON", 2)]).breaks("transfer.symbol"),
        versioned("two assets, nothing moves, version 2", 2, &[asset("SUN", 0), asset("MOON", 0)]),
        whole("asset called ETP", &[asset("ETP", 1)]).breaks("transfer.etp"),
        whole("transfer beside an identity", &[asset("SUN", 1), output(did(1, "bob", ADDRESS))])
            .breaks("transfer.companion"),
    ]
}
