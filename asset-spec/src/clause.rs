//! Every clause that the program can name, with its stable code.

use mvs_primitives::attachment::AttachmentError;
use mvs_primitives::encode::DecodeError;
use mvs_primitives::symbol::SymbolError;
use serde::Serialize;

/// A clause of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Stable code.
    pub code: &'static str,
    /// What the standard demands.
    #[serde(rename = "clause")]
    pub text: &'static str,
}

/// A broken clause, with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Code of the clause.
    pub code: &'static str,
    /// What is wrong, in words.
    pub message: String,
    /// Index of the output that breaks it, where a single one does.
    pub output: Option<usize>,
}

impl Broken {
    /// Returns what the broken clause demands.
    pub fn clause(&self) -> &'static str {
        text_of(self.code).unwrap_or_default()
    }

    /// Names the output that breaks the clause.
    #[must_use]
    pub fn at(mut self, output: usize) -> Self {
        self.output = Some(output);
        self
    }
}

impl From<DecodeError> for Broken {
    fn from(error: DecodeError) -> Self {
        Self { code: error.code(), message: error.to_string(), output: None }
    }
}

impl From<AttachmentError> for Broken {
    fn from(error: AttachmentError) -> Self {
        Self { code: error.code(), message: error.to_string(), output: None }
    }
}

impl From<SymbolError> for Broken {
    fn from(error: SymbolError) -> Self {
        Self { code: error.code(), message: error.to_string(), output: None }
    }
}

macro_rules! rules {
    ($($variant:ident, $code:literal, $text:literal;)*) => {
        /// The clauses that this crate checks itself; the others come from `mvs-primitives`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = $text] $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const CLAUSES: &'static [Clause] = &[$(Clause { code: $code, text: $text },)*];

            /// Returns the stable code.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

rules! {
    BindingIssuer, "binding.issuer",
        "In an attachment of version 207 the issuer of an asset issue or secondary issue is to_did.";
    BindingOwner, "binding.owner",
        "In an attachment of version 207 the owner of a certificate is to_did.";
    IssueThreshold, "issue.threshold",
        "The secondary issue threshold, without its mark of 128, is 0, 1 to 100, or 127.";
    IssueSecondaryForbidden, "issue.secondary_forbidden",
        "A secondary issue does not carry threshold 0, which forbids it.";
    OutputValue, "output.value",
        "An output holds at most 10^16 units of coin.";
    OutputScript, "output.script",
        "From transaction version 2 on every output script is of a standard pattern (not asked of the first output of a coinstake).";
    OutputAddress, "output.address",
        "The address field of an asset issue, secondary issue, certificate, identity or unique item is the address of the output's script as text.";
    TxVersion, "tx.version",
        "The transaction version is at most 4; version 3 exists on the test network only.";
    TxCoinbaseVersion, "tx.coinbase_version",
        "A coinbase is not of version 4.";
    TxEmpty, "tx.empty",
        "A transaction has at least one input and at least one output.";
    TxSize, "tx.size",
        "The nominal size of a transaction is at most 1000000.";
    TxDuplicateInput, "tx.duplicate_input",
        "No two inputs spend the same output.";
    TxValueSum, "tx.value_sum",
        "The outputs together hold at most 10^16 units of coin.";
    TxNullInput, "tx.null_input",
        "Only a coinbase has a null input.";
    TxAward, "tx.award",
        "Only a coinbase carries an attachment of type 1.";
    IssueCount, "issue.count",
        "A transaction has at most one asset issue output.";
    IssueCompanion, "issue.companion",
        "Beside an asset issue there are only ETP and message outputs and certificates of the types issue, domain, naming and mining.";
    IssueCert, "issue.cert",
        "Beside an asset issue there is at most one issue certificate; it has the asset's symbol and its output has the asset's address.";
    IssueCertMissing, "issue.cert_missing",
        "In transaction version 4 an asset issue whose threshold allows secondary issues comes with its issue certificate.";
    IssueDomain, "issue.domain",
        "Beside an asset issue there is at most one domain or naming certificate; a domain certificate has the domain of the asset's symbol.";
    IssueNaming, "issue.naming",
        "Beside an asset issue a naming certificate has the asset's symbol.";
    IssueDomainMissing, "issue.domain_missing",
        "In transaction version 4 an asset issue whose symbol has a domain comes with a domain or naming certificate that has an owner.";
    IssueMining, "issue.mining",
        "Beside an asset issue there is at most one mining certificate; it has the asset's symbol and its output has the asset's address.";
    SecondaryCount, "secondary.count",
        "A transaction has at most one secondary issue output.";
    SecondaryCompanion, "secondary.companion",
        "Beside a secondary issue there are only ETP and message outputs, transfers of the same asset and its issue certificate.";
    SecondaryTransfer, "secondary.transfer",
        "Beside a secondary issue every asset transfer has its symbol and goes to its address.";
    SecondaryCert, "secondary.cert",
        "Beside a secondary issue there is at most one certificate: of type issue, with the asset's symbol.";
    SecondaryCertMissing, "secondary.cert_missing",
        "In transaction version 4 a secondary issue comes with the asset's issue certificate.";
    CertCount, "cert.count",
        "A transaction issues (status 1) at most one certificate, or transfers (status 2) at most one, not both.";
    CertCompanion, "cert.companion",
        "A transaction with certificates has no identity, unique item or unknown outputs, and one that issues or transfers a certificate has no asset outputs either.";
    CertAttendant, "cert.attendant",
        "Beside an issued or transferred certificate another certificate is only the domain certificate of an issued naming certificate or the witness certificate of an issued witness certificate, once.";
    CertTypeNone, "cert.type_none",
        "A certificate of type 0 is not issued.";
    CertNamingDomain, "cert.naming_domain",
        "A naming certificate is issued beside the domain certificate of its symbol's domain.";
    CertWitness, "cert.witness",
        "A witness certificate is issued beside another witness certificate.";
    CertTypeTwice, "cert.type_twice",
        "A transaction has at most one certificate output of each type, witness excepted.";
    CertAutoIssue, "cert.auto_issue",
        "A certificate of status 3 comes with an asset issue in the same transaction.";
    MitMixed, "mit.mixed",
        "A transaction either registers unique items or transfers one.";
    MitCount, "mit.count",
        "A transaction transfers at most one unique item.";
    MitSymbolTwice, "mit.symbol_twice",
        "No two outputs register the same unique item.";
    MitAddress, "mit.address",
        "Items registered in one transaction have one address, and all ETP outputs beside items go to one address, that of the registered items.";
    MitCompanion, "mit.companion",
        "Beside unique items there are only ETP and message outputs.";
    DidCount, "did.count",
        "A transaction has at most one identity output.";
    DidTransferInputs, "did.transfer_inputs",
        "A transaction that transfers an identity has exactly 2 inputs.";
    DidCompanion, "did.companion",
        "Beside an identity transfer there are only ETP and message outputs.";
    TransferSymbol, "transfer.symbol",
        "In a transaction that transfers an asset, all asset outputs have one symbol.";
    TransferEtp, "transfer.etp",
        "An asset whose symbol is ETP is not transferred.";
    TransferCompanion, "transfer.companion",
        "Beside an asset transfer there are only asset, certificate, ETP and message outputs.";
    InputHex, "input.hex",
        "An item is written in hexadecimal digits, two for each byte.";
}

impl Rule {
    /// Says how the clause was broken.
    pub fn broken(self, message: impl Into<String>) -> Broken {
        Broken { code: self.code(), message: message.into(), output: None }
    }
}

/// Clauses whose checks are in `mvs-primitives`.
const SHARED: &[Clause] = &[
    Clause { code: "decode.truncated", text: "Every field is there in full." },
    Clause { code: "decode.trailing", text: "Nothing follows the last field." },
    Clause { code: "decode.over_budget", text: "An item is at most 1800003 bytes long." },
    Clause {
        code: "decode.count",
        text: "A count of inputs or outputs is not larger than the bytes that follow can hold.",
    },
    Clause {
        code: "decode.asset_status",
        text: "The status of an asset attachment is 1 (detail) or 2 (transfer).",
    },
    Clause {
        code: "decode.did_status",
        text: "The status of an identity attachment is 1 (register) or 2 (transfer), in 4 bytes.",
    },
    Clause {
        code: "attachment.type",
        text: "In transaction version 4 the attachment type is 0 to 6.",
    },
    Clause {
        code: "attachment.symbol_empty",
        text: "In transaction version 4 an asset, identity, certificate or unique item has a symbol.",
    },
    Clause {
        code: "attachment.supply_zero",
        text: "In transaction version 4 an asset issue creates at least one unit; a secondary issue may create none.",
    },
    Clause {
        code: "attachment.quantity_zero",
        text: "In transaction version 4 an asset transfer moves at least one unit.",
    },
    Clause {
        code: "attachment.message_empty",
        text: "In transaction version 4 a message is not empty.",
    },
    Clause {
        code: "attachment.owner_empty",
        text: "In transaction version 4 a certificate has an owner.",
    },
    Clause {
        code: "attachment.cert_type_none",
        text: "In transaction version 4 the type of a certificate is not 0.",
    },
    Clause {
        code: "attachment.address_empty",
        text: "In transaction version 4 a unique item has an address.",
    },
    Clause {
        code: "attachment.mit_status",
        text: "In transaction version 4 the status of a unique item is 1 (register) or 2 (transfer).",
    },
    Clause {
        code: "attachment.too_long",
        text: "In transaction version 4 an attachment counts no more bytes than its type allows.",
    },
    Clause { code: "symbol.empty", text: "A new symbol is not empty." },
    Clause { code: "symbol.too_long", text: "A new symbol has at most 64 bytes." },
    Clause {
        code: "symbol.character",
        text: "A new symbol has only letters, digits and dots; identities and unique items may also use @, _ and -.",
    },
    Clause {
        code: "symbol.lower_case",
        text: "In transaction version 4 the symbol of a new asset or of any certificate has no lower-case letter.",
    },
    Clause {
        code: "symbol.sensitive_word",
        text: "A new symbol contains no reserved word: assets and certificates in transaction version 4, identities on the main network, unique items always.",
    },
    Clause {
        code: "symbol.is_address",
        text: "The symbol of a new identity is neither an address of the network nor a stealth address.",
    },
];

/// Lists every clause, in the order of the README.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    SHARED.iter().chain(Rule::CLAUSES)
}

/// Returns what the clause with a code demands.
pub fn text_of(code: &str) -> Option<&'static str> {
    all().find(|clause| clause.code == code).map(|clause| clause.text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{all, text_of};
    use mvs_primitives::attachment::AttachmentError;
    use mvs_primitives::encode::DecodeError;
    use mvs_primitives::symbol::SymbolError;

    #[test]
    fn codes_are_unique_and_none_of_primitives_is_missing() {
        let codes: HashSet<_> = all().map(|clause| clause.code).collect();
        assert_eq!(codes.len(), all().count());
        for code in
            DecodeError::CODES.iter().chain(&AttachmentError::CODES).chain(&SymbolError::CODES)
        {
            assert!(text_of(code).is_some(), "{code}");
        }
    }
}
