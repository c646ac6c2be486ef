//! Stake blocks for owners who keep their keys to themselves (chain.md 9).
//!
//! The node says what to sign and for which times to look; the wallet looks for a timestamp whose
//! kernel meets the difficulty, signs coinstake and block, and hands the block in.

use std::sync::Arc;

use mvs_consensus::block::{check_stake_deposit, check_staked_coin};
use mvs_consensus::error::Rejection;
use mvs_consensus::header::Parent;
use mvs_consensus::params::Params;
use mvs_consensus::stake::{kernel_meets, stake_weight};
use mvs_consensus::state::Coin;
use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::hash::{TxId, hash160};
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, Script, ScriptBuilder, parse_script_number};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use super::coinbase::Payout;
use super::error::TemplateError;
use super::template::{Draft, TemplateConfig};
use crate::mempool::{Mempool, Tip};

/// Most inputs of a coinstake; the wallets' convention (chain.md 9.2.6).
pub const MAX_STAKE_INPUTS: usize = 10;

/// The version of coinstakes (chain.md 3.2); the first that honours relative locks.
const COINSTAKE_VERSION: u32 = 2;

/// How far the last time stays below what our own clock allows: nodes whose clocks are behind by as
/// much take the block too.
const CLOCK_MARGIN_SECS: u32 = 10;

/// Length of the longest signature with its hash type, for which room is kept.
const SIGNATURE_ROOM: [u8; 73] = [0; 73];

/// What somebody wants to stake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakeRequest {
    /// The compressed public key of all inputs' owner. It also signs the block.
    pub key: [u8; 33],
    /// What is staked, and behind it what is joined with it.
    pub inputs: Vec<OutPoint>,
    /// The coins come back in two outputs, as wallets do from 2,000 coins on (chain.md 9.2.6).
    pub split: bool,
    /// Whom subsidy and fees go to.
    pub payout: Payout,
}

/// A stake block that lacks time and signatures.
#[derive(Debug, Clone)]
pub struct StakeTemplate {
    header: Header,
    parent: Parent,
    coinstake: Transaction,
    spent: Vec<Coin>,
    weight: u64,
    transactions: Vec<Arc<Transaction>>,
    txids: Vec<TxId>,
    fees: Amount,
    last_secs: u32,
    refused: Vec<TxId>,
}

impl StakeTemplate {
    /// Makes a template on the tip: asks whether the stake entitles its owner, chooses transactions,
    /// and runs every rule that needs neither kernel nor signature.
    ///
    /// # Errors
    /// Why there is none: no stake block may come now, the stake does not entitle, a fault.
    pub fn build(
        tip: &Tip<'_>,
        pool: &Mempool,
        config: &TemplateConfig,
        request: &StakeRequest,
        now_secs: u64,
    ) -> Result<Self, TemplateError> {
        let coins = find_coins(tip, pool, request)?;
        let coinstake = make_coinstake(request, &coins)?;
        let draft = Draft::start(tip, config, &request.payout, Some(coinstake.clone()), now_secs)?;
        check_stake(tip, request, &coins, &draft.header)?;
        let (built, refused) = draft.build(pool)?;
        let params = tip.params();
        let weight = coins.first().map_or(0, |coin| stake_weight(&params.stake, coin.output.value));
        Ok(Self {
            parent: tip.block(),
            last_secs: last_secs(params, tip.next_height(), now_secs),
            header: built.header,
            coinstake: unsigned(coinstake),
            spent: coins,
            weight,
            transactions: built.transactions,
            txids: built.txids,
            fees: built.fees,
            refused,
        })
    }

    /// Returns the header with the first time that is allowed; the merkle root is not that of the
    /// block, which depends on the coinstake's signatures. The kernel does not look at it.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the block that it builds on.
    pub const fn parent(&self) -> Parent {
        self.parent
    }

    /// Returns the coinstake, whose inputs are to be signed.
    pub const fn coinstake(&self) -> &Transaction {
        &self.coinstake
    }

    /// Returns the coins that the coinstake spends, in order: signatures need their outputs.
    pub fn spent(&self) -> &[Coin] {
        &self.spent
    }

    /// Returns all transactions: coinbase, unsigned coinstake, others.
    pub fn transactions(&self) -> &[Arc<Transaction>] {
        &self.transactions
    }

    /// Returns their ids.
    pub fn txids(&self) -> &[TxId] {
        &self.txids
    }

    /// Returns the staked output's weight.
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// Returns the last time that nodes would take now, as Unix time.
    pub const fn last_secs(&self) -> u32 {
        self.last_secs
    }

    /// Returns the fees that its coinbase collects.
    pub const fn fees(&self) -> Amount {
        self.fees
    }

    /// Returns the transactions of the pool that turned out to break a rule. Normally none.
    pub fn refused(&self) -> &[TxId] {
        &self.refused
    }

    /// Tells whether the kernel meets the difficulty at a time.
    pub fn kernel_meets(&self, timestamp: Timestamp) -> bool {
        let Some(staked) = self.coinstake.inputs.first() else { return false };
        let header = Header { timestamp, ..self.header.clone() };
        kernel_meets(&header.stake_kernel(&staked.previous), self.weight, header.bits)
    }

    /// Looks for the first time, from the template's own to the last that nodes would take, at which
    /// the kernel meets the difficulty.
    pub fn search(&self) -> Option<Timestamp> {
        (self.header.timestamp.unix_secs()..=self.last_secs)
            .map(Timestamp::from_unix_secs)
            .find(|timestamp| self.kernel_meets(*timestamp))
    }

    /// Puts a signed coinstake and a time in: the header is then what the owner's key signs.
    pub fn assemble(&self, coinstake: Transaction, timestamp: Timestamp) -> StakeBlock {
        let mut txids = self.txids.clone();
        let mut transactions: Vec<Transaction> =
            self.transactions.iter().map(|tx| Transaction::clone(tx)).collect();
        // A template has a coinbase, then the coinstake.
        if let (Some(txid), Some(place)) = (txids.get_mut(1), transactions.get_mut(1)) {
            *txid = coinstake.txid();
            *place = coinstake;
        }
        let merkle = compute_root(&txids).root;
        StakeBlock { header: Header { merkle, timestamp, ..self.header.clone() }, transactions }
    }
}

/// A stake block that lacks nothing but its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakeBlock {
    header: Header,
    transactions: Vec<Transaction>,
}

impl StakeBlock {
    /// Returns the header, whose hash is to be signed.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Adds the signature. Whether all of it holds is for the chain to judge.
    pub fn sign(self, signature: BlockSig) -> Block {
        let proof = BlockProof::Stake(signature);
        Block { header: self.header, transactions: self.transactions, proof }
    }
}

/// Finds what is to be staked; it must be unspent in the chain, and nothing of the pool may spend it
/// (that would only be left out, but its owner wants it mined).
fn find_coins(
    tip: &Tip<'_>,
    pool: &Mempool,
    request: &StakeRequest,
) -> Result<Vec<Coin>, TemplateError> {
    let found = request.inputs.len();
    if !(1..=MAX_STAKE_INPUTS).contains(&found) {
        return Err(TemplateError::StakeInputs { found, max: MAX_STAKE_INPUTS });
    }
    if request.inputs.iter().any(|outpoint| pool.spender(outpoint).is_some()) {
        return Err(TemplateError::StakeMissing);
    }
    let coins: Option<Vec<Coin>> = tip.state().coins(&request.inputs)?.into_iter().collect();
    let coins = coins.ok_or(TemplateError::StakeMissing)?;
    let owner = Address::KeyHash(hash160(&request.key));
    if coins.iter().any(|coin| coin.output.script.address() != Some(owner)) {
        return Err(TemplateError::StakeOwner);
    }
    Ok(coins)
}

/// Tells whether wallets can stake an output: plain coin, which is for no identity, with a script that
/// a signature and a key unlock. Others are valid stakes too, but no wallet signs for them.
pub fn can_stake(output: &Output) -> bool {
    // Version 207 binds identities; version 0 is that of old coinbases.
    let is_plain = output.is_etp() && matches!(output.attachment.version.number(), 0 | 1);
    is_plain
        && match output.script.pattern() {
            Pattern::PayKeyHash(_) | Pattern::PayKeyHashWithLockHeight { .. } => true,
            Pattern::PayKeyHashWithSequenceLock { sequence, .. } => {
                sequence_number(sequence).is_some()
            }
            _ => false,
        }
}

/// Returns the sequence that a relative lock asks of the input.
fn sequence_number(bytes: &[u8]) -> Option<u32> {
    u32::try_from(parse_script_number(bytes, 4, false).ok()?).ok()
}

/// Makes the coinstake (chain.md 2.4, 9.2.6): everything comes back, without a fee. In place of
/// signatures stands as much room.
fn make_coinstake(request: &StakeRequest, coins: &[Coin]) -> Result<Transaction, TemplateError> {
    let sum = Amount::checked_sum(coins.iter().map(|coin| coin.output.value))
        .ok_or(TemplateError::StakeMissing)?;
    let script = Script::pay_key_hash(&hash160(&request.key));
    let half = Amount::from_units(sum.units() / 2);
    let parts = match sum.checked_sub(half) {
        Some(rest) if request.split => vec![half, rest],
        _ => vec![sum],
    };
    let mut outputs = vec![Output::null()];
    outputs.extend(parts.into_iter().map(|value| Output::etp(value, script.clone())));
    let inputs = request.inputs.iter().zip(coins);
    Ok(Transaction {
        version: COINSTAKE_VERSION,
        inputs: inputs.map(|(previous, coin)| make_input(*previous, coin, &request.key)).collect(),
        outputs,
        locktime: 0,
    })
}

/// An input that spends a coin as its script asks, with room for the signature.
fn make_input(previous: OutPoint, coin: &Coin, key: &[u8; 33]) -> Input {
    let signed = ScriptBuilder::new().push(&SIGNATURE_ROOM).push(key);
    match coin.output.script.pattern() {
        Pattern::PayKeyHashWithLockHeight { lock_height, .. } => {
            let script = signed.push(lock_height).build();
            Input { script, ..Input::unsigned(previous) }
        }
        Pattern::PayKeyHashWithSequenceLock { sequence, .. } => {
            let sequence = sequence_number(sequence).unwrap_or(Input::FINAL_SEQUENCE);
            Input { previous, script: signed.build(), sequence }
        }
        _ => Input { script: signed.build(), ..Input::unsigned(previous) },
    }
}

/// Takes the room for signatures out again: scripts are empty where signatures are to come.
fn unsigned(mut coinstake: Transaction) -> Transaction {
    for input in &mut coinstake.inputs {
        input.script = Script::default();
    }
    coinstake
}

/// Asks the rules on stakes that need no kernel (chain.md 9.2, rules 2 to 4).
fn check_stake(
    tip: &Tip<'_>,
    request: &StakeRequest,
    coins: &[Coin],
    header: &Header,
) -> Result<(), TemplateError> {
    let staked = coins.first().ok_or(TemplateError::StakeMissing)?;
    let (params, height) = (tip.params(), tip.next_height());
    check_staked_coin(params, staked, header.bits, height).map_err(TemplateError::Stake)?;
    let owner = Address::KeyHash(hash160(&request.key));
    match check_stake_deposit(params, tip.state(), &owner, height) {
        Ok(()) => Ok(()),
        Err(Rejection::Rule(rule)) => Err(TemplateError::Stake(rule)),
        Err(Rejection::Fault(fault)) => Err(fault.into()),
    }
}

/// The last time that nodes would take, also those whose clocks are a little behind ours
/// (chain.md 8.1.5).
fn last_secs(params: &Params, height: Height, now_secs: u64) -> u32 {
    let limit = params.future_limit_secs(height).saturating_sub(CLOCK_MARGIN_SECS);
    u32::try_from(now_secs.saturating_add(u64::from(limit))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use mvs_consensus::params::Params;
    use mvs_primitives::amount::Amount;
    use mvs_primitives::attachment::{Attachment, AttachmentVersion, Payload};
    use mvs_primitives::height::Height;
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::text::{DidName, Text};

    use super::{can_stake, last_secs};

    #[test]
    fn times_stay_below_what_clocks_a_little_behind_allow() {
        let mut params = Params::mainnet();
        let height = params.pos_enabled_height;
        let limit = u64::from(params.future_limit_secs(Height::new(height)));
        assert!(limit > 10, "{limit}");
        assert_eq!(u64::from(last_secs(&params, Height::new(height), 1_000)), 990 + limit);
        assert_eq!(last_secs(&params, Height::new(height), u64::MAX), u32::MAX);
        params.pos_future_secs = 3;
        assert_eq!(last_secs(&params, Height::new(height), 1_000), 1_000);
    }

    #[test]
    fn what_no_wallet_signs_for_is_not_staked() {
        let can = |script: Script, attachment| {
            can_stake(&Output { value: Amount::from_units(7), script, attachment })
        };
        let own = || Script::pay_key_hash(&[7; 20]);
        let etp = |version| Attachment { version, payload: Payload::Etp };
        assert!(can(own(), Attachment::ETP));
        assert!(can(own(), etp(AttachmentVersion::ZERO)), "old coinbases");
        assert!(can(Script::pay_key_hash_with_lock_height(5, &[7; 20]), Attachment::ETP));
        assert!(can(Script::pay_key_hash_with_sequence_lock(5, &[7; 20]), Attachment::ETP));

        let name = DidName::new(b"somebody").unwrap();
        let bound = AttachmentVersion::bound(name, DidName::default());
        assert!(!can(own(), etp(bound)));
        assert!(!can(own(), etp(AttachmentVersion::plain(2).unwrap())));
        let message = Payload::Message(Text::new(*b"hi").unwrap());
        assert!(!can(own(), Attachment::new(message)));
        let key = Script::pay_public_key(&[2; 33]);
        assert!(key.address().is_some() && !can(key, Attachment::ETP), "a bare key");
        let slow = Script::pay_key_hash_with_attenuation(b"TYPE=1", &[1; 36], &[7; 20]);
        assert!(slow.address().is_some() && !can(slow, Attachment::ETP), "a locked asset's");
        assert!(!can(Script::pay_script_hash(&[7; 20]), Attachment::ETP));
    }
}
