//! People with real keys, and the outputs that pay them.

use std::sync::LazyLock;

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    AssetDetail, AssetTransfer, Attachment, AttachmentVersion, Cert, CertStatus, CertType, Did,
    DidStatus, IssueThreshold, Mit, MitStatus, Payload,
};
use mvs_primitives::hash::hash160;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::{AddressText, DidName, MitSymbol, Symbol, Text};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

/// Somebody with a key of their own. Keys follow from the number, so chains are the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person(u8);

/// Owns the genesis coin.
pub const ALICE: Person = Person(1);
/// Somebody else.
pub const BOB: Person = Person(2);
/// Holds no identity.
pub const CAROL: Person = Person(3);
/// Holds no identity.
pub const DAVE: Person = Person(4);
/// Whom the first stake block pays.
pub const FOUNDATION: Person = Person(5);
/// Whom blocks pay.
pub const MINER: Person = Person(6);

/// Everybody.
pub const PEOPLE: [Person; 6] = [ALICE, BOB, CAROL, DAVE, FOUNDATION, MINER];

static KEYS: LazyLock<Vec<[u8; 33]>> = LazyLock::new(|| {
    PEOPLE.iter().map(|p| PublicKey::from_secret_key(&p.secret()).serialize()).collect()
});

impl Person {
    /// Returns whose key hash this is.
    pub fn of_key_hash(hash: &[u8; 20]) -> Option<Self> {
        PEOPLE.into_iter().find(|person| person.key_hash() == *hash)
    }

    fn secret(self) -> SecretKey {
        SecretKey::from_secret_bytes([self.0; 32]).expect("small numbers are in range")
    }

    /// Returns the compressed public key.
    pub fn key(self) -> [u8; 33] {
        KEYS[usize::from(self.0) - 1]
    }

    /// Returns the hash of the public key.
    pub fn key_hash(self) -> [u8; 20] {
        hash160(&self.key())
    }

    /// Returns the address.
    pub fn address(self) -> Address {
        Address::KeyHash(self.key_hash())
    }

    /// Returns the address as attachments carry it.
    pub fn address_text(self) -> AddressText {
        self.address().to_address_text(&AddressFormat::MAINNET)
    }

    /// Returns the script that pays the address.
    pub fn script(self) -> Script {
        Script::pay_key_hash(&self.key_hash())
    }

    /// Signs a digest.
    pub fn sign(self, digest: [u8; 32]) -> ecdsa::Signature {
        ecdsa::sign(Message::from_digest(digest), &self.secret())
    }

    /// Coin, in units.
    pub fn units(self, units: u64) -> Output {
        Output::etp(Amount::from_units(units), self.script())
    }

    /// Coin, in whole coins.
    pub fn etp(self, coins: u64) -> Output {
        Output::etp(etp(coins), self.script())
    }

    /// No coin, but something else.
    pub fn carrying(self, payload: Payload) -> Output {
        let attachment = Attachment::new(payload);
        Output { value: Amount::ZERO, script: self.script(), attachment }
    }

    /// A text.
    pub fn message(self, text: &str) -> Output {
        self.carrying(Payload::Message(Text::new(text).expect("no NUL")))
    }

    /// An asset issue; a threshold above 127 makes it a secondary one.
    pub fn issue(self, symbol: &str, supply: u64, threshold: u8, issuer: &str) -> Output {
        self.carrying(Payload::AssetDetail(Box::new(AssetDetail {
            symbol: self::symbol(symbol),
            maximum_supply: AssetAmount::from_units(supply),
            decimal_number: 0,
            threshold: IssueThreshold::from_byte(threshold),
            unused: [0; 2],
            issuer: did_name(issuer),
            address: self.address_text(),
            description: Text::default(),
        })))
    }

    /// Units of an asset.
    pub fn asset(self, symbol: &str, units: u64) -> Output {
        let symbol = self::symbol(symbol);
        let quantity = AssetAmount::from_units(units);
        self.carrying(Payload::AssetTransfer(AssetTransfer { symbol, quantity }))
    }

    /// A certificate without content.
    pub fn cert(self, symbol: &str, of: CertType, status: CertStatus, owner: &str) -> Output {
        self.cert_with(symbol, of, status, owner, None)
    }

    /// A certificate.
    ///
    /// # Panics
    /// When the type and the content do not fit.
    pub fn cert_with(
        self,
        symbol: &str,
        of: CertType,
        status: CertStatus,
        owner: &str,
        content: Option<&str>,
    ) -> Output {
        let content = content.map(|content| Text::new(content).expect("no NUL"));
        let symbol = self::symbol(symbol);
        let cert = Cert::new(symbol, did_name(owner), self.address_text(), of, status, content)
            .expect("content as the type says");
        self.carrying(Payload::Cert(Box::new(cert)))
    }

    /// An identity.
    pub fn did(self, name: &str, status: DidStatus) -> Output {
        let (symbol, address) = (did_name(name), self.address_text());
        self.carrying(Payload::Did(Box::new(Did { status, symbol, address })))
    }

    /// A unique item.
    pub fn mit(self, symbol: &str, status: MitStatus) -> Output {
        let symbol = MitSymbol::new(symbol).expect("no NUL");
        let address = self.address_text();
        self.carrying(Payload::Mit(Box::new(Mit { status, symbol, address })))
    }

    /// A new unique item.
    pub fn new_mit(self, symbol: &str) -> Output {
        self.mit(symbol, MitStatus::Register { content: Text::new("made").expect("no NUL") })
    }
}

/// Whole coins as an amount.
pub fn etp(coins: u64) -> Amount {
    Amount::from_etp(coins).expect("amounts of tests are small")
}

/// A symbol.
pub fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("no NUL")
}

fn did_name(text: &str) -> DidName {
    DidName::new(text).expect("no NUL")
}

/// The same output under another script.
pub fn under(output: Output, script: Script) -> Output {
    Output { script, ..output }
}

/// The same output, from one identity to another (attachment version 207).
pub fn bound(output: Output, to: &str, from: &str) -> Output {
    let version = AttachmentVersion::bound(did_name(to), did_name(from));
    let attachment = Attachment { version, payload: output.attachment.payload };
    Output { attachment, ..output }
}
