//! The first block, built from its fields (chain.md 6.2).

use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, AttachmentVersion, Payload};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::{BlockHash, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

/// What makes one genesis block differ from another; everything else is common to all networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisFields {
    /// When the chain began.
    pub timestamp: Timestamp,
    /// The coinbase's input script: raw text without a push opcode.
    pub text: Vec<u8>,
    /// Hash of the public key that receives the coin.
    pub key_hash: [u8; 20],
    /// The coin that exists from the start.
    pub value: Amount,
    /// Difficulty in the header; the seal is not checked.
    pub bits: Difficulty,
}

impl GenesisFields {
    /// Builds the block: transaction version 0, input sequence 0, attachment version 0.
    pub fn block(&self) -> Block {
        let coinbase = Transaction {
            version: 0,
            inputs: vec![Input {
                previous: OutPoint::NULL,
                script: Script::from_bytes(self.text.as_slice()),
                sequence: 0,
            }],
            outputs: vec![Output {
                value: self.value,
                script: Script::pay_key_hash(&self.key_hash),
                attachment: Attachment { version: AttachmentVersion::ZERO, payload: Payload::Etp },
            }],
            locktime: 0,
        };
        let header = Header {
            version: BlockVersion::POW,
            previous: BlockHash::ZERO,
            merkle: compute_root(&[coinbase.txid()]).root,
            timestamp: self.timestamp,
            bits: self.bits,
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: Height::GENESIS,
        };
        Block { header, transactions: vec![coinbase], proof: BlockProof::None }
    }

    /// Returns the fields that `block` was built from; `None` when it is not of that form.
    pub fn of(block: &Block) -> Option<Self> {
        let [coinbase] = block.transactions.as_slice() else { return None };
        let ([input], [output]) = (coinbase.inputs.as_slice(), coinbase.outputs.as_slice()) else {
            return None;
        };
        let Some(Address::KeyHash(key_hash)) = output.script.address() else { return None };
        let fields = Self {
            timestamp: block.header.timestamp,
            text: input.script.as_bytes().to_vec(),
            key_hash,
            value: output.value,
            bits: block.header.bits,
        };
        (fields.block() == *block).then_some(fields)
    }
}
