//! Assets, certificates, identities, unique items.

use super::{AmountForm, ChainText, Quantity, params, shapes};

params! { optional
    /// Which part of a list of names.
    pub struct ListParams {
        /// Go on behind this name.
        pub after: String,
        /// Most names, 1 to 1000; 100 when left out.
        pub limit: u32,
    }
    /// Which part of the list of assets.
    pub struct AssetListParams {
        /// Go on behind this symbol.
        pub after: String,
        /// Most assets, 1 to 1000; 100 when left out.
        pub limit: u32,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
}

params! {
    /// Names an asset.
    pub struct AssetParams {
        /// The symbol.
        pub symbol: String,
        ?
        /// How quantities are written.
        pub amounts: AmountForm,
    }
    /// Asks for the holders of an asset.
    pub struct AssetHoldersParams {
        /// The symbol.
        pub symbol: String,
        ?
        /// Most holders, 1 to 10000; 100 when left out.
        pub limit: u32,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
    /// Names an asset or a certificate.
    pub struct SymbolParams {
        /// The symbol.
        pub symbol: String,
    }
    /// Names an identity.
    pub struct DidParams {
        /// The name.
        pub name: String,
    }
    /// Names an address.
    pub struct AddressParams {
        /// The address.
        pub address: String,
    }
    /// Names a unique item.
    pub struct MitParams {
        /// The name.
        pub symbol: String,
    }
}

shapes! {
    /// An asset.
    pub struct Asset {
        /// Symbol.
        pub symbol: ChainText,
        /// Sum of all issues, in smallest units or as decimal text.
        pub supply: Quantity,
        /// Decimals for display.
        pub decimal_number: u8,
        /// 0 forbidden, 1 to 100 percent, 127 free.
        pub secondaryissue_threshold: u8,
        /// Identity of the issuer.
        pub issuer: ChainText,
        /// Address of the issuer.
        pub address: ChainText,
        /// Free text.
        pub description: ChainText,
        /// Height of the first issue.
        pub issue_height: u32,
        /// Height of the latest issue.
        pub height: u32,
    }
    /// Somebody who holds some of an asset.
    pub struct AssetHolder {
        /// The address; none for outputs whose script has none.
        pub address: Option<String>,
        /// What the outputs of the address hold together, locked ones too.
        pub quantity: Quantity,
        /// How many outputs these are.
        pub outputs: u64,
    }
    /// Who holds an asset, the largest holder first.
    pub struct AssetHolders {
        /// All holders.
        pub count: u64,
        /// The largest of them.
        pub holders: Vec<AssetHolder>,
    }
    /// Assets by symbol.
    pub struct AssetList {
        /// All assets of the chain.
        pub count: u64,
        /// Some of them.
        pub assets: Vec<Asset>,
        /// There are more; go on behind this symbol.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// The issues of an asset, oldest first.
    pub struct AssetIssues {
        /// The issues.
        pub issues: Vec<AssetIssue>,
    }
    /// One issue.
    pub struct AssetIssue {
        /// Height.
        pub height: u32,
        /// It is a secondary issue.
        pub is_secondary: bool,
        /// What it created.
        pub quantity: Quantity,
        /// The supply after it.
        pub supply: Quantity,
        /// Identity of the issuer.
        pub issuer: ChainText,
        /// Address of the issuer.
        pub address: ChainText,
        /// Free text.
        pub description: ChainText,
    }
    /// Certificates.
    pub struct Certificates {
        /// The certificates, by type number.
        pub certificates: Vec<Certificate>,
    }
    /// The record of a certificate, from its latest issue; whoever owns the unspent output holds it now.
    pub struct Certificate {
        /// Symbol.
        pub symbol: ChainText,
        /// Type number.
        pub cert_type: u32,
        /// Type name.
        pub cert: String,
        /// Identity of the first owner.
        pub owner: ChainText,
        /// Address of the first owner.
        pub address: ChainText,
        /// Content, for types that have one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub content: Option<ChainText>,
        /// Height of the issue.
        pub height: u32,
    }
    /// An identity.
    pub struct Did {
        /// Name.
        pub name: ChainText,
        /// Where it lives.
        pub address: String,
        /// Height of the latest record; absent for the identity that every node knows from the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub height: Option<u32>,
        /// It has moved since its registration.
        pub is_transferred: bool,
    }
    /// Identities by name.
    pub struct DidList {
        /// All identities of the chain.
        pub count: u64,
        /// Some of them.
        pub dids: Vec<Did>,
        /// There are more; go on behind this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// Where an identity has lived, oldest first.
    pub struct DidHistory {
        /// The records.
        pub records: Vec<Did>,
    }
    /// A unique item.
    pub struct Mit {
        /// Name.
        pub symbol: ChainText,
        /// Where it lives.
        pub address: String,
        /// Height of the latest record.
        pub height: u32,
        /// It has been transferred.
        pub is_transferred: bool,
        /// What it says, from its registration.
        pub content: ChainText,
    }
    /// Unique items by name.
    pub struct MitList {
        /// All items of the chain.
        pub count: u64,
        /// Some of them.
        pub mits: Vec<Mit>,
        /// There are more; go on behind this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// Where an item has lived, oldest first.
    pub struct MitTrace {
        /// The records.
        pub records: Vec<Mit>,
    }
}
