//! `check` and `repair`.

use anyhow::Context as _;
use mvs_consensus::block::{
    BlockBody, check_block, connect_block, connect_checkpointed_block, connect_genesis,
    is_vouched_for,
};
use mvs_consensus::checkpoint::Vouched;
use mvs_consensus::header::{Parent, accept_header, check_headers};
use mvs_consensus::script::CacheUse;
use mvs_store::mmap::MapDisk;
use mvs_store::{Batch, Store};

use super::exit::CheckFailed;
use super::files::state_digest;
use super::progress::{Counter, Report};
use super::setup::Setup;
use super::signals;
use crate::chain::core::Tools;
use crate::chain::stop::Stop;
use crate::config::Config;

pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let setup = Setup::new(config)?;
    setup.start_logs(config)?;
    let genesis = connect_genesis(&setup.params)?;
    let (store, opened) = Store::open(setup.disk()?, setup.options(config), &genesis)?;
    say!("height {}, tip {}", opened.tip.height, opened.tip.hash);
    say!("state {}", state_digest(&opened.tip));
    let stop = Stop::new();
    let _watch = signals::watch_thread(&stop, "the check");
    let mut counter = Counter::new("check", None);
    let report = store.check(
        &mut |progress| {
            counter.set_part(&format!("{:?}", progress.part), progress.done, progress.total);
            !stop.is_set()
        },
        &mut |error| say!("wrong: {}: {error}", error.code()),
    )?;
    counter.finish();
    store.close()?;
    say!("{} coins, {} blocks", report.coins, report.blocks);
    match report.errors {
        0 => {
            say!("nothing is wrong");
            Ok(())
        }
        errors => Err(CheckFailed { errors }.into()),
    }
}

/// Builds the index or the live maps anew from the log where no more than that is damaged. Otherwise
/// puts the chain together again from the blocks on disk, judging each anew, in a folder beside the
/// old one; the old one is kept under another name.
pub(super) fn repair(config: &Config) -> anyhow::Result<()> {
    let setup = Setup::new(config)?;
    setup.start_logs(config)?;
    let genesis = connect_genesis(&setup.params)?;
    let old = setup.store_dir();
    let new = setup.data_dir.join("chain.repaired");
    let source = setup.disk()?;
    let stop = Stop::new();
    let _watch = signals::watch_thread(&stop, "the repair");
    let mut counter = Counter::new("repair", None);
    let tables = Store::repair_tables(&source, &setup.options(config), &genesis, &mut |progress| {
        counter.set_part(&format!("{:?}", progress.part), progress.done, progress.total);
        !stop.is_set()
    });
    match tables {
        Ok(part) => {
            counter.finish();
            match part {
                Some(part) => say!("built anew from the log: {part:?}"),
                None => say!("nothing is wrong"),
            }
            return Ok(());
        }
        Err(error) if !blocks_help(error.code()) => return Err(error.into()),
        Err(error) => say!("the log alone does not help: {}: {error}", error.code()),
    }
    let target = MapDisk::open(&new).with_context(|| format!("cannot make {}", new.display()))?;
    let tools = &setup.tools;
    let (store, report) = Store::rebuild_from_blocks(
        &source,
        target,
        setup.options(config),
        &genesis,
        &mut |batch, bytes| judge(tools, batch, &bytes),
        &mut |progress| {
            counter.set_part("blocks", progress.done, progress.total);
            !stop.is_set()
        },
    )?;
    counter.finish();
    store.close()?;
    drop(source);
    let aside = free_name(&setup.data_dir)?;
    std::fs::rename(&old, &aside)?;
    std::fs::rename(&new, &old)?;
    say!("{} blocks found, {} connected", report.found_blocks, report.connected);
    say!("height {}, tip {}", report.tip.height, report.tip.hash);
    say!("state {}", state_digest(&report.tip));
    say!("the old store is kept in {}", aside.display());
    for file in &report.skipped_files {
        say!("not looked at: {file}");
    }
    if report.unreadable > 0 {
        say!("the disk has refused {} reads of block files", report.unreadable);
    }
    if let Some(reason) = report.stopped {
        say!("the next block was not connected: {reason}; the network will send it again");
    }
    Ok(())
}

/// Whether an error says that the store is damaged in a way that connecting its blocks again mends. A full or failing
/// disk, a store in use or of another network is no such thing, and hours of work would not change it.
fn blocks_help(code: &str) -> bool {
    ["store.corrupt", "store.disagree", "store.not_a_store", "store.coin", "store.registry"]
        .contains(&code)
}

/// A name for the old store that nothing has yet.
fn free_name(data_dir: &std::path::Path) -> anyhow::Result<std::path::PathBuf> {
    (1u32..1_000)
        .map(|number| data_dir.join(format!("chain.damaged-{number}")))
        .find(|path| !path.exists())
        .context("a thousand damaged stores are kept; remove some")
}

/// Judges a block on the state in a batch, with every rule. Below a checkpoint the blocks are those
/// that were connected before.
fn judge(
    tools: &Tools,
    batch: &Batch<'_, MapDisk>,
    bytes: &[u8],
) -> Result<mvs_consensus::block::ConnectedBlock, String> {
    let params = &tools.params;
    let body = BlockBody::decode(bytes).map_err(|error| error.to_string())?;
    let tip = batch.tip().ok_or("there is no genesis block")?;
    let parent = Parent { hash: tip.hash, height: tip.height };
    let header = body.block().header.clone();
    let checked = check_headers(params, &tools.caches, vec![header]).pop();
    let checked = checked.ok_or("a seal has no answer")?.map_err(|error| error.to_string())?;
    let placed =
        accept_header(params, batch, parent, checked, u64::MAX).map_err(|e| e.to_string())?;
    let block = check_block(params, placed, body).map_err(|error| error.to_string())?;
    let vouched = Vouched::nothing();
    if is_vouched_for(params, &vouched, &block) {
        return connect_checkpointed_block(params, &vouched, batch, block)
            .map_err(|error| error.to_string());
    }
    connect_block(params, batch, batch, block)
        .and_then(|pending| pending.finish_here(CacheUse::Off))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use mvs_store::StoreError;
    use mvs_store::engine::EngineError;

    use super::blocks_help;

    #[test]
    fn only_damage_calls_for_the_blocks() {
        let corrupt = EngineError::Corrupt { file: "log".into(), offset: 1, what: "record" };
        assert!(blocks_help(StoreError::from(corrupt).code()));
        assert!(blocks_help(StoreError::from(EngineError::NotAStore("no checkpoint")).code()));
        for error in [
            EngineError::io("read", "log", std::io::Error::other("no answer")),
            EngineError::NoSpace { file: "log".into() },
            EngineError::Poisoned,
            EngineError::Locked,
            EngineError::UnknownVersion { found: 9, known: 2 },
            EngineError::OtherNetwork { found: 9, expected: 7 },
        ] {
            assert!(!blocks_help(StoreError::from(error).code()));
        }
        for error in [StoreError::Cancelled, StoreError::IndexLost { reason: "a page".into() }] {
            assert!(!blocks_help(error.code()));
        }
    }
}
