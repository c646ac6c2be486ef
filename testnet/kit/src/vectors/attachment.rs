//! Attachments: bytes with their fields, and bytes that must not decode.

use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::encode::Decode;
use serde_json::Value;

use super::fields::{LIST, get, has_any};
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "attachment", detect, check };

const REFUSED: &str = "not_compatible";

fn detect(value: &Value) -> Claim {
    if is_vector(value) {
        Claim::Whole
    } else if get(value, REFUSED).is_some_and(|list| list.as_array().is_none_or(|l| !l.is_empty()))
    {
        Claim::Members(&[REFUSED])
    } else {
        Claim::Nothing
    }
}

fn is_vector(value: &Value) -> bool {
    has_any(value, &["hex"])
        && value.get("decoded").is_some_and(|decoded| has_any(decoded, &["version", "type"]))
}

fn check(value: &Value, report: &mut Report) {
    if is_vector(value) {
        return report.case("", |case| {
            if let Some(attachment) = case.decoded::<Attachment>(value, "hex")
                && let Some(decoded) = get(value, "decoded")
            {
                check_decoded(decoded, &attachment, case);
            }
        });
    }
    let refused = get(value, REFUSED).and_then(Value::as_array);
    if refused.is_none() {
        report.case(&format!(".{REFUSED}"), |case| case.demand(value, &[REFUSED], LIST));
    }
    for (index, vector) in refused.into_iter().flatten().enumerate() {
        report.case(&format!(".{REFUSED}[{index}]"), |case| {
            if let Some(bytes) = case.bytes(vector, "hex") {
                let decoded = Attachment::decode(&bytes);
                case.that(decoded.is_err(), || {
                    format!("it must not decode, but gives {decoded:?}")
                });
            }
        });
    }
}

/// Compares an attachment with the fields that a decoder independent of ours found.
pub(super) fn check_decoded(decoded: &Value, attachment: &Attachment, case: &mut Case) {
    case.number(decoded, "version", attachment.version.number());
    case.number(decoded, "type", attachment.type_number());
    let binding = attachment.version.binding();
    string(case, decoded, "to_did", binding.map(|binding| binding.to_did.as_bytes()));
    string(case, decoded, "from_did", binding.map(|binding| binding.from_did.as_bytes()));

    let body = Body::of(&attachment.payload);
    string(case, decoded, "symbol", body.symbol);
    string(case, decoded, "address", body.address);
    string(case, decoded, "owner", body.owner);
    string(case, decoded, "issuer", body.issuer);
    string(case, decoded, "description", body.description);
    string(case, decoded, "content", body.content);
    number(case, decoded, "status", body.status);
    number(case, decoded, "height", body.height);
    number(case, decoded, "quantity", body.quantity);
    number(case, decoded, "maximum_supply", body.supply);
    number(case, decoded, "cert_type", body.cert_type);
    let [decimals, threshold, unused @ ..] = body.detail.map_or([None; 4], |d| d.map(Some));
    number(case, decoded, "decimal_number", decimals.map(u64::from));
    number(case, decoded, "secondary_threshold", threshold.map(u64::from));
    number(case, decoded, "secondaryissue_threshold", threshold.map(u64::from));
    if has_any(decoded, &["unused"]) {
        let unused: Vec<u8> = unused.into_iter().flatten().collect();
        let expected = Value::from(unused);
        case.that(decoded.get("unused") == Some(&expected), || format!("unused: found {expected}"));
    }
}

/// The fields that a body has, in the raw form of the wire.
#[derive(Default)]
struct Body<'a> {
    symbol: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    owner: Option<&'a [u8]>,
    issuer: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    content: Option<&'a [u8]>,
    status: Option<u64>,
    height: Option<u64>,
    quantity: Option<u64>,
    supply: Option<u64>,
    cert_type: Option<u64>,
    /// Decimals, threshold with its mark, and the two unused bytes.
    detail: Option<[u8; 4]>,
}

impl<'a> Body<'a> {
    fn of(payload: &'a Payload) -> Self {
        use mvs_primitives::attachment::DidStatus;
        match payload {
            Payload::EtpAward { height } => Self { height: Some(*height), ..Self::default() },
            Payload::AssetDetail(detail) => {
                let [unused2, unused3] = detail.unused;
                Self {
                    status: Some(1),
                    symbol: Some(detail.symbol.as_bytes()),
                    supply: Some(detail.maximum_supply.units()),
                    detail: Some([
                        detail.decimal_number,
                        detail.threshold.byte(),
                        unused2,
                        unused3,
                    ]),
                    issuer: Some(detail.issuer.as_bytes()),
                    address: Some(detail.address.as_bytes()),
                    description: Some(detail.description.as_bytes()),
                    ..Self::default()
                }
            }
            Payload::AssetTransfer(transfer) => Self {
                status: Some(2),
                symbol: Some(transfer.symbol.as_bytes()),
                quantity: Some(transfer.quantity.units()),
                ..Self::default()
            },
            Payload::Message(content) => {
                Self { content: Some(content.as_bytes()), ..Self::default() }
            }
            Payload::Did(did) => Self {
                status: Some(match did.status {
                    DidStatus::Register => 1,
                    DidStatus::Transfer => 2,
                }),
                symbol: Some(did.symbol.as_bytes()),
                address: Some(did.address.as_bytes()),
                ..Self::default()
            },
            Payload::Cert(cert) => Self {
                status: Some(u64::from(cert.status.byte())),
                symbol: Some(cert.symbol.as_bytes()),
                owner: Some(cert.owner.as_bytes()),
                address: Some(cert.address.as_bytes()),
                cert_type: Some(u64::from(cert.cert_type().number())),
                content: cert.content().map(|content| content.as_bytes()),
                ..Self::default()
            },
            Payload::Mit(mit) => Self {
                status: Some(u64::from(mit.status.byte())),
                symbol: Some(mit.symbol.as_bytes()),
                address: Some(mit.address.as_bytes()),
                content: mit.content().map(|content| content.as_bytes()),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

fn number(case: &mut Case, decoded: &Value, key: &str, found: Option<u64>) {
    match found {
        Some(found) => case.number(decoded, key, found),
        None => absent(case, decoded, key),
    }
}

/// Compares a string of the wire. Bytes that are no UTF-8 may be given as `{"hex": …}`, or as text
/// with replacement characters.
fn string(case: &mut Case, decoded: &Value, key: &str, found: Option<&[u8]>) {
    match (found, decoded.get(key)) {
        (None, _) => absent(case, decoded, key),
        (Some(found), Some(bytes @ Value::Object(_))) => {
            case.that(has_any(bytes, &["hex"]), || format!("{key} is no text and no hex"));
            case.hex(bytes, "hex", found);
        }
        (Some(found), _) => case.text(decoded, key, &String::from_utf8_lossy(found)),
    }
}

fn absent(case: &mut Case, decoded: &Value, key: &str) {
    if has_any(decoded, &[key]) {
        case.fail(format!("{key}: the attachment has no such field"));
    }
}
