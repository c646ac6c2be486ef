//! Decides: which kind of item the bytes are, and which clause they break.

use mvs_primitives::address::AddressFormat;
use mvs_primitives::attachment::Attachment;
use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode, MAX_PAYLOAD_BYTES};
use mvs_primitives::json::{AttachmentJson, OutputJson, TransactionJson};
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;
use serde::Serialize;

use crate::clause::Broken;
use crate::rules;

/// The transaction version that is assumed for an attachment or output by itself.
pub const DEFAULT_TX_VERSION: u32 = 4;

/// What an item can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The bytes behind an output's script.
    Attachment,
    /// Value, script and attachment.
    Output,
    /// A whole transaction.
    Transaction,
}

impl Kind {
    /// The order in which the kinds are tried.
    pub const ORDER: [Self; 3] = [Self::Transaction, Self::Output, Self::Attachment];

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Output => "output",
            Self::Transaction => "transaction",
        }
    }
}

/// A public network: address versions, and the clauses that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Network {
    /// The main network.
    #[default]
    Mainnet,
    /// The test network.
    Testnet,
}

impl Network {
    /// Returns how addresses are written.
    pub const fn address_format(self) -> &'static AddressFormat {
        match self {
            Self::Mainnet => &AddressFormat::MAINNET,
            Self::Testnet => &AddressFormat::TESTNET,
        }
    }
}

/// What an item is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The network.
    pub network: Network,
    /// Version of the transaction around an attachment or output; a transaction has its own.
    pub tx_version: u32,
}

impl Default for Context {
    fn default() -> Self {
        Self { network: Network::default(), tx_version: DEFAULT_TX_VERSION }
    }
}

/// The answer about one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the item is; none when it could not be told.
    pub kind: Option<Kind>,
    /// The item as JSON, when it decodes.
    pub value: Option<serde_json::Value>,
    /// The canonical bytes, when they differ from those given.
    pub canonical: Option<Vec<u8>>,
    /// The first clause that is broken.
    pub broken: Option<Broken>,
}

impl Verdict {
    /// Makes the answer about something that does not decode.
    pub const fn undecoded(kind: Option<Kind>, broken: Broken) -> Self {
        Self { kind, value: None, canonical: None, broken: Some(broken) }
    }

    /// Tells whether no clause is broken.
    pub const fn is_good(&self) -> bool {
        self.broken.is_none()
    }
}

/// A failed reading, and how many bytes it got through.
struct Failure {
    kind: Kind,
    reached: usize,
    error: DecodeError,
}

impl Failure {
    /// How likely it is that the bytes were meant to be read this way.
    const fn likelihood(&self) -> (bool, usize, u8) {
        let met_status =
            matches!(self.error, DecodeError::AssetStatus(_) | DecodeError::DidStatus(_));
        // A truncated text right behind an attachment's header looks like a truncated script.
        let preference = match self.kind {
            Kind::Transaction => 2,
            Kind::Attachment => 1,
            Kind::Output => 0,
        };
        (met_status, self.reached, preference)
    }
}

/// Checks an item of a known or unknown kind.
///
/// With the kind unknown, the readings are tried in [`Kind::ORDER`]. The first that decodes every
/// byte and breaks no clause is the answer; else the first that decodes every byte; else the one
/// that got through the most bytes, the earlier one at a tie.
pub fn check(bytes: &[u8], kind: Option<Kind>, context: &Context) -> Verdict {
    if let Some(kind) = kind {
        return check_as(bytes, kind, context).unwrap_or_else(|failure| {
            Verdict::undecoded(Some(failure.kind), failure.error.into())
        });
    }
    let mut decoded: Option<Verdict> = None;
    let mut likeliest: Option<Failure> = None;
    for kind in Kind::ORDER {
        match check_as(bytes, kind, context) {
            Ok(verdict) if verdict.is_good() => return verdict,
            Ok(verdict) => decoded = decoded.or(Some(verdict)),
            Err(failure) => {
                if likeliest.as_ref().is_none_or(|best| failure.likelihood() > best.likelihood()) {
                    likeliest = Some(failure);
                }
            }
        }
    }
    decoded.unwrap_or_else(|| {
        let failure = likeliest.expect("no reading decoded, so each of the three failed");
        Verdict::undecoded(Some(failure.kind), failure.error.into())
    })
}

fn check_as(bytes: &[u8], kind: Kind, context: &Context) -> Result<Verdict, Failure> {
    let format = context.network.address_format();
    match kind {
        Kind::Attachment => read::<Attachment>(bytes, kind).map(|attachment| {
            let view = AttachmentJson::new(&attachment);
            verdict(bytes, kind, &attachment, &view, rules::check_attachment(&attachment, context))
        }),
        Kind::Output => read::<Output>(bytes, kind).map(|output| {
            let view = OutputJson::new(&output, format);
            verdict(bytes, kind, &output, &view, rules::check_output(&output, context))
        }),
        Kind::Transaction => read::<Transaction>(bytes, kind).map(|transaction| {
            let view = TransactionJson::new(&transaction, format);
            let network = context.network;
            let outcome = rules::check_transaction(&transaction, network);
            verdict(bytes, kind, &transaction, &view, outcome)
        }),
    }
}

fn read<T: Decode>(bytes: &[u8], kind: Kind) -> Result<T, Failure> {
    let mut decoder = Decoder::new(bytes, MAX_PAYLOAD_BYTES).map_err(|error| Failure {
        kind,
        reached: 0,
        error,
    })?;
    T::decode_from(&mut decoder)
        .and_then(|value| decoder.finish().map(|()| value))
        .map_err(|error| Failure { kind, reached: decoder.position(), error })
}

fn verdict<T: Encode>(
    bytes: &[u8],
    kind: Kind,
    value: &T,
    view: &impl Serialize,
    outcome: Result<(), Broken>,
) -> Verdict {
    let canonical = value.to_bytes();
    Verdict {
        kind: Some(kind),
        value: Some(serde_json::to_value(view).expect("views have text keys and plain values")),
        canonical: (canonical != bytes).then_some(canonical),
        broken: outcome.err(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Kind, check};

    fn kind_and_code(hex_text: &str) -> (Option<Kind>, Option<&'static str>) {
        let verdict = check(&hex::decode(hex_text).unwrap(), None, &Context::default());
        (verdict.kind, verdict.broken.map(|broken| broken.code))
    }

    #[test]
    fn kinds_are_told_apart() {
        let attachment = Some(Kind::Attachment);
        assert_eq!(kind_and_code("0100000000000000"), (attachment, None));
        // Reads as an output with an unknown attachment too, but only as an attachment is it good.
        assert_eq!(kind_and_code("cf00000000000000036261720761626364656667"), (attachment, None));
        // Nothing reads it, but the attachment reading meets an unknown status.
        assert_eq!(
            kind_and_code("010000000200000003000000"),
            (attachment, Some("decode.asset_status"))
        );
        assert_eq!(kind_and_code(""), (Some(Kind::Transaction), Some("decode.truncated")));
        // Ten zero bytes are a transaction without inputs and outputs.
        assert_eq!(
            kind_and_code("00000000000000000000"),
            (Some(Kind::Transaction), Some("tx.empty"))
        );
    }
}
