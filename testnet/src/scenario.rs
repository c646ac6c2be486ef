//! What several scenarios share: chains, and small networks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::encode::Encode;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use testkit::build::BlockDraft;
use testkit::build::person::{ALICE, MINER};
use testkit::build::tx::TxDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::vectors::recorded_params;

use crate::chain_file;
use crate::make_chain::empty_branch;
use crate::node::{Network, Node, Program, Setup};
use crate::peer::{Introduction, PATIENCE, Peer};
use crate::proxy::Proxy;
use crate::scripted::{FirstNode, Habits};
use crate::served::Served;
use crate::status::Status;
use crate::wait::{Seen, until};
use crate::wire::{self, Hash, INV_TX};

/// How long a chain of some thousand blocks may take to arrive. Generous: the machine may be building
/// at the same time.
pub const SYNC_LIMIT: Duration = Duration::from_secs(180);

/// Lets one scenario run at a time: they measure, and there are few processors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A chain in a file.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The network.
    pub params: Params,
    /// The file of its blocks.
    pub file: PathBuf,
    /// The blocks above genesis.
    pub blocks: Vec<Vec<u8>>,
}

impl Recorded {
    /// Returns the recorded chain of 3,166 work blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn chain_a() -> Result<Self> {
        Self::of(Params::devnet(), kit_data("reference-chain/chain-a.bin.gz"))
    }

    /// Returns the recorded chain of 1,560 blocks, 243 of them stake blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn stake_chain() -> Result<Self> {
        let text = std::fs::read_to_string(kit_data("reference-chain-pos/params.json"))?;
        let params = recorded_params(&serde_json::from_str(&text)?).map_err(|e| anyhow!(e))?;
        Self::of(params, kit_data("reference-chain-pos/blocks.bin.gz"))
    }

    /// Reads a chain of a network.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(params: Params, file: PathBuf) -> Result<Self> {
        let blocks = chain_file::read(&file)?;
        Ok(Self { params, file, blocks })
    }

    /// Returns the hash of the block at a height.
    ///
    /// # Panics
    /// When there is none.
    pub fn hash(&self, height: usize) -> Hash {
        wire::block_hash(&self.blocks[height - 1])
    }

    /// Returns the hash of the last block as people write it.
    ///
    /// # Panics
    /// When there is no block.
    pub fn tip(&self) -> String {
        wire::display(&self.hash(self.blocks.len()))
    }

    /// Returns the first blocks as a tree.
    ///
    /// # Errors
    /// When they do not connect.
    pub fn tree(&self, blocks: usize) -> Result<Served> {
        Served::with(&self.params.genesis.to_bytes(), &self.blocks[..blocks])
    }

    /// Starts a scripted node that has the first blocks.
    ///
    /// # Errors
    /// When they do not connect or there is no port.
    pub fn first_node(&self, blocks: usize) -> Result<FirstNode> {
        FirstNode::start(self.tree(blocks)?, self.habits())
    }

    /// Returns the habits of a node of this network.
    pub fn habits(&self) -> Habits {
        let introduction = Introduction::default().on(self.params.magic.to_le_bytes());
        Habits { introduction, ..Habits::default() }
    }

    /// Returns how a node joins the network.
    ///
    /// # Errors
    /// When the parameters cannot be written as a chain spec.
    pub fn network(&self) -> Result<Network> {
        if self.params == Params::devnet() {
            return Ok(Network::devnet());
        }
        Network::of(&self.params)
    }

    /// Starts a node that has imported the file.
    ///
    /// # Errors
    /// When it cannot.
    pub fn imported(&self, program: &Program) -> Result<Node> {
        let mut node = Node::prepare(program, Setup::on(self.network()?))?;
        let imported =
            program.import(&node.setup.network, &node.data_dir(), &self.file, SYNC_LIMIT)?;
        ensure!(imported.tip == self.tip(), "the import ended at {imported:?}");
        node.restart()?;
        let status = node.status()?;
        let found = (status.tip, status.coin_digest + &status.registry_digest);
        let wanted = (imported.tip, imported.state);
        ensure!(found == wanted, "{found:?} after the import of {wanted:?}");
        Ok(node)
    }
}

/// Returns a file of `testnet/kit/data`.
pub fn kit_data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/data").join(name)
}

/// Waits until all nodes have one tip, and checks that they have one state. Returns their status.
///
/// # Errors
/// When they do not agree within the limit.
pub fn agree(nodes: &[&Node], limit: Duration) -> Result<Status> {
    until("one tip and one state", limit, || {
        let all: Result<Vec<Status>> = nodes.iter().map(|node| node.status()).collect();
        match all {
            Ok(all) if all.windows(2).all(|two| two[0].chain() == two[1].chain()) => {
                Seen::maybe(all.into_iter().next(), || "no node".into())
            }
            Ok(all) => Seen::NotYet(
                all.iter().map(|one| format!("{:?}", one.chain())).collect::<Vec<_>>().join(" "),
            ),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .with_context(|| nodes.iter().map(|node| node.tail()).collect::<Vec<_>>().join("\n"))
}

/// Asks a node for the transactions of its pool, over the wire.
///
/// # Errors
/// When it does not answer.
pub fn pool_of(node: &Node, magic: [u8; 4], wanted: usize) -> Result<BTreeSet<Hash>> {
    let height = node.status()?.height;
    let mut peer = Peer::connect(node.address(), &Introduction::default().on(magic).at(height))?;
    peer.send("mempool", b"")?;
    let mut found = BTreeSet::new();
    while found.len() < wanted {
        let payload = peer.expect("inv").with_context(|| format!("{} so far", found.len()))?;
        let items = wire::parse_inventory(&payload)?;
        found.extend(items.into_iter().filter(|(kind, _)| *kind == INV_TX).map(|(_, id)| id));
    }
    Ok(found)
}

/// Two branches above a trunk. The first holds transactions that are valid on the second as well; the
/// second is one block longer and holds none.
#[derive(Debug)]
pub struct Rivals {
    /// The network: the stake era is far away.
    pub params: Params,
    /// Blocks above genesis.
    pub trunk: Vec<Vec<u8>>,
    /// The first branch.
    pub one: Vec<Vec<u8>>,
    /// The second.
    pub two: Vec<Vec<u8>>,
    /// What the first branch holds.
    pub transactions: Vec<Transaction>,
}

/// Coins that are spread before the branches part; half as many payments follow, each with a second
/// one that spends its output.
const COINS: u32 = 40;
/// Blocks until the coins are spread and old enough.
const TRUNK_BLOCKS: u32 = 30;

impl Rivals {
    /// Makes branches of `depth` and `depth + 1` blocks.
    ///
    /// # Errors
    /// When a block breaks a rule (which would be a mistake of ours).
    pub fn make(depth: u32) -> Result<Self> {
        let params = crate::make_chain::params();
        let mut chain = MemoryChain::new(params.clone(), Arc::new(CacheSet::new(1)));
        let mine = |chain: &mut MemoryChain, transactions: Vec<Transaction>| -> Result<_> {
            let draft = BlockDraft::on(chain, MINER.script(), transactions);
            let block = draft.seal(chain.caches()).to_bytes();
            chain.append(&block, FAR_FUTURE)?;
            Ok(block)
        };
        let mut trunk = Vec::new();
        while chain.tip().height.value() < TRUNK_BLOCKS - 2 {
            trunk.push(mine(&mut chain, Vec::new())?);
        }
        // The first reward pays for all.
        let first = chain.blocks()[1].block().block().transactions[0].clone();
        let reward = OutPoint::new(first.txid(), 0);
        let split = TxDraft::new(1)
            .spend(reward)
            .pay_all((0..COINS / 2).map(|_| ALICE.units(5_000_000)))
            .rest(ALICE)
            .sign(&|_| Some(first.outputs[0].clone()));
        trunk.push(mine(&mut chain, vec![split.clone()])?);
        trunk.push(mine(&mut chain, Vec::new())?);
        let fork = chain.tip().height;
        let two = empty_branch(&chain, fork, depth + 1, 1)?;

        let mut waiting = Vec::new();
        let pay = |from: &Transaction, index: u32| {
            let place = usize::try_from(index).expect("there are few");
            TxDraft::new(1)
                .spend(OutPoint::new(from.txid(), index))
                .pay(MINER.units(1_000_000))
                .rest(ALICE)
                .sign(&|_| Some(from.outputs[place].clone()))
        };
        for index in 0..COINS / 2 {
            let payment = pay(&split, index);
            waiting.push(pay(&payment, 1));
            waiting.push(payment);
        }
        let transactions = waiting.clone();
        let mut one = Vec::new();
        for left in (0..depth).rev() {
            // They come in the last blocks, one each.
            let is_time = u32::try_from(waiting.len()).is_ok_and(|count| left < count);
            let next = if is_time { waiting.pop() } else { None };
            one.push(mine(&mut chain, next.into_iter().collect())?);
        }
        ensure!(waiting.is_empty(), "a branch of {depth} blocks has no room");
        Ok(Self { params, trunk, one, two, transactions })
    }

    fn tree(&self, branch: &[Vec<u8>]) -> Result<Served> {
        let genesis = self.params.genesis.to_bytes();
        Served::with(&genesis, &[self.trunk.as_slice(), branch].concat())
    }

    /// Lets a node follow the first branch and then learn of the second, over the wire. Returns how
    /// long the move took, from the first word of it.
    ///
    /// # Errors
    /// When the node does not move, or its pool or state are not as they should be.
    pub fn play(&self, program: &Program, limit: Duration) -> Result<Duration> {
        let network = Network::of(&self.params)?;
        let second = FirstNode::start(self.tree(&self.two)?, Habits::default())?;
        let door = Proxy::start(second.address())?;
        door.cut();
        let setup = Setup::on(network.clone()).connect(door.address());
        let node = Node::start(program, setup)?;
        // It gets 500 headers at a time, and beyond those only what its timer makes it ask for.
        let habits = Habits { asks_again: Duration::from_millis(200), ..Habits::default() };
        let first = FirstNode::start(self.tree(&self.one)?, habits)?;
        first.dial(node.address())?;
        node.wait_for_tip(&wire::display(&first.tip().1), limit)?;
        ensure!(node.status()?.mempool == 0, "the pool holds something");

        let tip = second.tip().1;
        let start = std::time::Instant::now();
        door.open();
        let moved = node
            .wait_for_tip(&wire::display(&tip), limit)
            .with_context(|| format!("asked {:?}; {:?}", second.heard(), second.complaints()))?;
        let took = start.elapsed();

        // What the first branch held waits for a block again.
        let wanted: BTreeSet<Hash> =
            self.transactions.iter().map(|tx| *tx.txid().as_bytes()).collect();
        node.wait_for("the transactions in the pool", limit, |status| {
            status.mempool == wanted.len()
        })?;
        let found = pool_of(&node, self.params.magic.to_le_bytes(), wanted.len())?;
        ensure!(found == wanted, "{} of {} transactions", found.len(), wanted.len());

        // The other peers hear of it, and a node that never saw the first branch agrees.
        first.wait_for_tip(&tip, limit)?;
        let fresh = Node::start(program, Setup::on(network).connect(second.address()))?;
        let status = fresh.wait_for_tip(&moved.tip, limit)?;
        ensure!(status.chain() == moved.chain(), "{status:?} is not {moved:?}");
        for node in [&first, &second] {
            ensure!(node.complaints().is_empty(), "{:?}", node.complaints());
        }
        Ok(took)
    }
}

/// Connects as an honest peer that knows the chain.
///
/// # Errors
/// When the node does not finish the handshake.
pub fn honest(node: &Node, magic: [u8; 4]) -> Result<Peer> {
    let height = node.status()?.height;
    Peer::connect(node.address(), &Introduction::default().on(magic).at(height))
}

/// Gives a block to a node as a peer does: announces the header, waits until the block is asked for,
/// sends it.
///
/// # Errors
/// When the node does not ask within the limit.
pub fn offer(peer: &mut Peer, blocks: &[&[u8]], limit: Duration) -> Result<()> {
    let entries = blocks.iter().map(|block| (&block[..wire::HEADER_BYTES], 1));
    peer.send("headers", &wire::headers(entries))?;
    let mut left: Vec<Hash> = blocks.iter().map(|block| wire::block_hash(block)).collect();
    while !left.is_empty() {
        let asked = peer.find("a request for a block", limit, |message| {
            (message.command == "getdata").then(|| wire::parse_inventory(&message.payload))
        })??;
        for (_, hash) in asked {
            if let Some(block) = blocks.iter().find(|block| wire::block_hash(block) == hash) {
                left.retain(|other| *other != hash);
                peer.send("block", block)?;
            }
        }
    }
    Ok(())
}

/// Returns the limit of a wait for one small thing.
pub const fn patience() -> Duration {
    PATIENCE
}
