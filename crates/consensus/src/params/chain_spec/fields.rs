//! The one list of what a chain spec may hold: name, range, meaning, how to read and how to write.

use mvs_primitives::amount::Amount;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use toml::{Table, Value};

use super::super::Params;
use super::super::genesis::GenesisFields;
use super::ChainSpecError;
use super::values::{self, Read, quoted};

/// A table of the file; the nameless one is the top.
pub(in crate::params) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
}

/// One key of the file.
pub(in crate::params) struct Field {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) doc: &'static str,
    /// Sets the value, or says what was expected.
    pub(in crate::params) read: fn(&mut Params, &Value) -> Read<()>,
    /// Writes the value as TOML.
    pub(in crate::params) write: fn(&Params) -> String,
}

impl Field {
    /// The key with its section.
    pub(in crate::params) fn path(&self) -> String {
        if self.section.is_empty() {
            self.key.to_owned()
        } else {
            format!("{}.{}", self.section, self.key)
        }
    }

    pub(super) fn value_in<'a>(&self, table: &'a Table) -> Option<&'a Value> {
        if self.section.is_empty() {
            table.get(self.key)
        } else {
            table.get(self.section)?.as_table()?.get(self.key)
        }
    }

    /// The error for a value that [`Field::read`] refused.
    pub(in crate::params) fn error(
        &self,
        params: &Params,
        value: Option<&Value>,
        expected: String,
    ) -> ChainSpecError {
        let found = value.map_or_else(|| (self.write)(params), Value::to_string);
        ChainSpecError::value(self.path(), found, expected)
    }
}

/// TOML's largest number; amounts stay below it.
const MAX_UNITS: u64 = i64::MAX.unsigned_abs();
/// A day of seconds, the most that any limit on time makes sense for.
const DAY: u32 = 86_400;
/// Largest base of a subsidy in whole coins: ten times the main network's money.
const MAX_BASE: f64 = 1e9;

/// A field of a plain kind. The last argument is the place in [`Params`].
macro_rules! field {
    (int $section:literal, $key:literal, $range:expr, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::integer(value, $range).map(|v| params.$($place).+ = v),
            |params| params.$($place).+.to_string())
    };
    (amount $section:literal, $key:literal, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::integer(value, 0..=MAX_UNITS)
                .map(|v| params.$($place).+ = Amount::from_units(v)),
            |params| params.$($place).+.to_string())
    };
    (height $section:literal, $key:literal, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::integer(value, 0..=u32::MAX)
                .map(|v| params.$($place).+ = Height::new(v)),
            |params| params.$($place).+.to_string())
    };
    (float $section:literal, $key:literal, $range:expr, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::float(value, $range).map(|v| params.$($place).+ = v),
            |params| format!("{:?}", params.$($place).+))
    };
    (bool $section:literal, $key:literal, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::boolean(value).map(|v| params.$($place).+ = v),
            |params| params.$($place).+.to_string())
    };
    (fork $section:literal, $key:literal, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::fork(value).map(|v| params.$($place).+ = v),
            |params| values::write_fork(params.$($place).+))
    };
    (address $section:literal, $key:literal, $doc:literal, $($place:ident).+) => {
        field!(any $section, $key, $doc,
            |params, value| values::address(value, &params.addresses)
                .map(|v| params.$($place).+ = v),
            |params| quoted(&params.$($place).+.to_text(&params.addresses)))
    };
    (any $section:literal, $key:literal, $doc:literal, $read:expr, $write:expr) => {
        Field { section: $section, key: $key, doc: $doc, read: $read, write: $write }
    };
}

/// Changes one thing about the genesis block.
fn set_genesis(params: &mut Params, change: impl FnOnce(&mut GenesisFields)) -> Read<()> {
    let mut fields = GenesisFields::of(&params.genesis)
        .ok_or_else(|| "a genesis block of the usual form".to_owned())?;
    change(&mut fields);
    params.genesis = fields.block();
    Ok(())
}

/// Shows one thing about the genesis block; [`Params::validate`] makes sure that it has it.
fn show_genesis(params: &Params, show: impl FnOnce(&GenesisFields) -> String) -> String {
    GenesisFields::of(&params.genesis).map_or_else(|| quoted("?"), |fields| show(&fields))
}

pub(in crate::params) const SECTIONS: &[Section] = &[
    Section { name: "", doc: "" },
    Section { name: "addresses", doc: "Version bytes, all different (chain.md 5.1)." },
    Section {
        name: "genesis",
        doc: "The first block (chain.md 6.2). Instead of the table: genesis = \"mainnet\", above all tables.",
    },
    Section { name: "limits", doc: "Sizes and counts (chain.md 2.2)." },
    Section { name: "fees", doc: "What transactions cost, in base units (chain.md 6.7)." },
    Section { name: "time", doc: "Rules on timestamps (chain.md 8.1, rule 5), in seconds." },
    Section { name: "retarget", doc: "The retarget formulas (chain.md 6.6)." },
    Section { name: "subsidy", doc: "The subsidy (chain.md 6.3)." },
    Section { name: "stake", doc: "Stake blocks (chain.md 9.2 and 8.1, rule 3)." },
    Section { name: "pos_genesis", doc: "The first stake block (chain.md 9.3)." },
    Section { name: "witness", doc: "Witness certificates (chain.md 7.7)." },
    Section {
        name: "strictness",
        doc: "Where this node is stricter than the chain's first node. Switch off only to replay old records.",
    },
];

/// Addresses are read with the version bytes, so those come first.
pub(in crate::params) const FIELDS: &[Field] = &[
    field!(int "addresses", "p2pkh", 1..=255, "Pay to key hash, 1 to 255.", addresses.p2pkh),
    field!(int "addresses", "p2sh", 1..=255, "Pay to script hash, 1 to 255.", addresses.p2sh),
    field!(int "addresses", "wif", 1..=255, "Private keys, 1 to 255.", addresses.wif),
    field!(any "", "name", "Name of the chain: 1 to 32 of a-z, 0-9 and -. It may become part of file names.",
        |params, value| values::name(value).map(|name| params.name = name),
        |params| quoted(&params.name)),
    field!(any "", "magic", "First four bytes of every message, as a little-endian number. Not 0.",
        |params, value| values::integer(value, 1..=u32::MAX).map(|magic| params.magic = magic),
        |params| format!("0x{:08x}", params.magic)),
    field!(int "", "p2p_port", 1..=u16::MAX, "Port for peers.", p2p_port),
    field!(any "", "seeds", "Hosts that tell about peers: \"host:port\".",
        |params, value| values::seeds(value).map(|seeds| params.seeds = seeds),
        |params| values::write_seeds(&params.seeds)),
    field!(any "", "checkpoints",
        "Known blocks, lowest first; the genesis block may be left out. Blocks up to the last one are\nconnected without script checks and transaction rules (chain.md 6.8).",
        |params, value| values::known_blocks(value).map(|known| params.checkpoints = known),
        |params| values::write_known_blocks(&params.checkpoints)),
    field!(any "", "exceptions", "Blocks that are accepted although they break a rule (chain.md 6.10), lowest first.",
        |params, value| values::known_blocks(value).map(|known| params.exceptions = known),
        |params| values::write_known_blocks(&params.exceptions)),
    field!(address "", "foundation", "Whom the first stake block's extra coinbase pays (chain.md 9.3).", foundation),
    field!(address "", "developer_community", "Whom the community share of special fees pays (chain.md 6.7).", developer_community),
    field!(any "", "max_money", "The most base units (10^-8 coins) that can exist.",
        |params, value| values::integer(value, 1..=MAX_UNITS)
            .map(|units| params.max_money = Amount::from_units(units)),
        |params| params.max_money.to_string()),
    field!(int "", "coinbase_maturity", 0..=10_000_000, "Blocks before a coinbase may be spent.", coinbase_maturity),
    field!(int "", "target_spacing_secs", 1..=DAY, "Seconds from block to block, for people; the retarget formulas decide.", target_spacing_secs),
    field!(fork "", "version_4_allowed", "Transactions of version 4 are allowed, by tip: a height, \"always\" or \"never\".", version_4_allowed),
    field!(fork "", "version_4_required", "Version 4 is the only one, by tip.", version_4_required),
    field!(bool "", "version_3_allowed", "Transactions of version 3 are allowed.", version_3_allowed),
    field!(bool "", "did_word_check", "Identity names are searched for sensitive words.", did_word_check),
    field!(fork "", "sequence_locks_allowed", "Outputs with a sequence lock are allowed, by tip.", sequence_locks_allowed),
    field!(int "", "pos_enabled_height", 1..=u32::MAX, "The stake era begins at this height.", pos_enabled_height),
    field!(bool "", "pos_allowed", "Stake blocks are allowed at all.", pos_allowed),
    field!(any "", "pow_difficulty", "Work blocks: { fixed = N } at every height, or { min = N } with retargeting.",
        |params, value| values::pow_difficulty(value).map(|v| params.pow_difficulty = v),
        |params| values::write_pow_difficulty(params.pow_difficulty)),
    field!(any "", "deposits", "Deposit periods, shortest first: lock in blocks, reward per 10^8 units (chain.md 6.4).",
        |params, value| values::deposits(value).map(|deposits| params.deposits = deposits),
        |params| values::write_deposits(&params.deposits)),
    field!(any "genesis", "timestamp", "Unix seconds.",
        |params, value| {
            let secs = values::integer(value, 1..=u32::MAX)?;
            set_genesis(params, |genesis| genesis.timestamp = Timestamp::from_unix_secs(secs))
        },
        |params| show_genesis(params, |genesis| genesis.timestamp.to_string())),
    field!(any "genesis", "text", "Input script of the coinbase: 1 to 100 printable ASCII characters.",
        |params, value| {
            let text = values::genesis_text(value)?;
            set_genesis(params, |genesis| genesis.text = text)
        },
        |params| show_genesis(params, |genesis| quoted(&String::from_utf8_lossy(&genesis.text)))),
    field!(any "genesis", "address", "Who receives the first coin: a key hash address.",
    |params, value| match values::address(value, &params.addresses)? {
        mvs_primitives::address::Address::KeyHash(key_hash) => {
            set_genesis(params, |genesis| genesis.key_hash = key_hash)
        }
        _ => Err("a key hash address".to_owned()),
    },
    |params| show_genesis(params, |genesis| {
        let address = mvs_primitives::address::Address::KeyHash(genesis.key_hash);
        quoted(&address.to_text(&params.addresses))
    })),
    field!(any "genesis", "value", "The first coin in base units.",
        |params, value| {
            let value = Amount::from_units(values::integer(value, 0..=MAX_UNITS)?);
            set_genesis(params, |genesis| genesis.value = value)
        },
        |params| show_genesis(params, |genesis| genesis.value.to_string())),
    field!(any "genesis", "bits", "Difficulty in the header; the seal is not checked.",
        |params, value| {
            let bits = values::difficulty(value)?;
            set_genesis(params, |genesis| genesis.bits = bits)
        },
        |params| show_genesis(params, |genesis| values::write_difficulty(genesis.bits))),
    field!(int "limits", "block_bytes", 1_000..=1_800_000, "Nominal bytes of a block, 1,000 to 1,800,000 (what fits a message).", limits.block_bytes),
    field!(int "limits", "tx_bytes", 100..=1_800_000, "Nominal bytes of a transaction.", limits.tx_bytes),
    field!(int "limits", "block_sigops", 1..=10_000_000, "Signature operations of a block, for each of the two counts.", limits.block_sigops),
    field!(amount "fees", "min_fee", "Least fee of an ordinary transaction; consensus.", fees.min_fee),
    field!(amount "fees", "asset_issue", "Least total fee of an asset issue; policy.", fees.asset_issue),
    field!(amount "fees", "did_register", "Least total fee of an identity registration; policy.", fees.did_register),
    field!(int "fees", "miner_percent", 0..=100, "Least share of a special fee that goes to the miner; policy.", fees.miner_percent),
    field!(int "time", "loose_future_secs", 1..=DAY, "Before strict_from: how far ahead of the clock a block may be.", loose_future_secs),
    field!(fork "time", "strict_from", "By height: time may not run back, and the tighter limits hold.", strict_time),
    field!(int "time", "strict_future_secs", 1..=DAY, "From strict_from on: how far ahead of the clock.", strict_future_secs),
    field!(int "time", "pos_future_secs", 1..=DAY, "In the stake era: how far ahead of the clock.", pos_future_secs),
    field!(int "retarget", "v1_target_secs", 1..=DAY, "First formula: at or beyond this many seconds the difficulty falls.", retarget.v1_target_secs),
    field!(int "retarget", "v1_step_divisor", 2..=0x7fff_ffff, "First formula: one step is the difficulty divided by this.", retarget.v1_step_divisor),
    field!(int "retarget", "v2_step_divisor", 2..=0x7fff_ffff, "Second formula: one step is the difficulty divided by this.", retarget.v2_step_divisor),
    field!(int "retarget", "v2_interval_unit_secs", 1..=86_400, "Second formula: seconds of one unit of the interval.", retarget.v2_interval_unit_secs),
    field!(int "retarget", "v2_pow_offset", 0..=1_000_000, "Second formula, work blocks: steps at an interval of zero.", retarget.v2_pow_offset),
    field!(int "retarget", "v2_pos_offset", 0..=1_000_000, "Second formula, stake blocks: steps at an interval of zero.", retarget.v2_pos_offset),
    field!(int "retarget", "v2_min_steps", -1_000_000..=-1, "Second formula: the fewest steps.", retarget.v2_min_steps),
    field!(int "subsidy", "bucket_blocks", 1..=u32::MAX, "Blocks of a bucket; the subsidy decays from one to the next.", subsidy.bucket_blocks),
    field!(float "subsidy", "decay", f64::MIN_POSITIVE..=1.0, "Factor from one bucket to the next: above 0.0, at most 1.0.", subsidy.decay),
    field!(float "subsidy", "pow_base", 0.0..=MAX_BASE, "Work blocks: coins in bucket 0, and the cap in the stake era.", subsidy.pow_base),
    field!(float "subsidy", "pow_late_base", 0.0..=MAX_BASE, "Work blocks of the stake era from pow_late_from_bucket on: the base.", subsidy.pow_late_base),
    field!(int "subsidy", "pow_late_from_bucket", 0..=u32::MAX, "First bucket with the late base.", subsidy.pow_late_from_bucket),
    field!(float "subsidy", "pos_base", 0.0..=MAX_BASE, "Stake blocks: coins in bucket 0, and the cap.", subsidy.pos_base),
    field!(any "stake", "min_difficulty", "Least difficulty of a stake block.",
        |params, value| values::difficulty(value).map(|bits| params.stake.min_difficulty = bits),
        |params| values::write_difficulty(params.stake.min_difficulty)),
    field!(int "stake", "vote_maturity", 0..=10_000_000, "Blocks that a stake deposit must be old.", stake.vote_maturity),
    field!(amount "stake", "deposit_min_value", "Least value of a stake deposit in base units.", stake.deposit_min_value),
    field!(int "stake", "deposit_min_lock", 1..=0xf_ffff, "Least height lock of a stake deposit in blocks; locks have 20 bits.", stake.deposit_min_lock),
    field!(int "stake", "deposit_gap", 0..=0xf_ffff, "A deposit stops to entitle this many blocks before its lock ends.", stake.deposit_gap),
    field!(amount "stake", "stake_min_value", "Least value of the staked output in base units.", stake.stake_min_value),
    field!(int "stake", "min_age", 0..=10_000_000, "Least age of the staked output in blocks.", stake.min_age),
    field!(int "stake", "age_scale", 1..=10_000_000, "Upper end of the age curve in blocks.", stake.age_scale),
    field!(int "stake", "age_divisor", 1..=MAX_UNITS, "Difficulty that is one unit of the age curve.", stake.age_divisor),
    field!(int "stake", "weight_factor", 1..=1_000_000_000, "Factor of the stake weight.", stake.weight_factor),
    field!(int "stake", "max_pow_run", 1..=u32::MAX, "Longest run of work blocks.", stake.max_pow_run),
    field!(int "stake", "max_pos_run", 1..=u32::MAX, "Longest run of stake blocks.", stake.max_pos_run),
    field!(height "stake", "run_limits_above", "The run limits hold above this height.", stake.run_limits_above),
    field!(any "pos_genesis", "up_to", "Stake blocks up to this height count as the first; 0: those with no stake block before.",
        |params, value| values::pos_genesis_rule(value).map(|rule| params.pos_genesis.rule = rule),
        |params| values::write_pos_genesis_rule(params.pos_genesis.rule)),
    field!(amount "pos_genesis", "reward", "What the foundation receives in base units.", pos_genesis.reward),
    field!(int "pos_genesis", "witness_certs", 0..=1_000, "How many witness certificates follow.", pos_genesis.witness_certs),
    field!(int "witness", "max_secondary", 0..=1_000_000, "Unexpired secondary certificates that a primary one may have.", witness.max_secondary),
    field!(int "witness", "expiry_blocks", 1..=u32::MAX, "Blocks after which a secondary certificate expires.", witness.expiry_blocks),
    field!(bool "strictness", "matched_extra_coinbases", "Each extra coinbase must belong to a deposit output.", strictness.matched_extra_coinbases),
    field!(bool "strictness", "header_number", "The header's number must be its height.", strictness.header_number),
    field!(bool "strictness", "asset_sums", "Sums of asset quantities must not wrap around.", strictness.asset_sums),
    field!(bool "strictness", "empty_genesis_certs", "The certificates of the stake genesis transaction carry no coin.", strictness.empty_genesis_certs),
];
