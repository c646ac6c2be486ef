//! `import` and `export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use mvs_primitives::height::Height;

use super::progress::{Counter, Report};
use super::setup::Setup;
use super::signals;
use crate::chain::import::{BlockFile, export as write_blocks, import as read_blocks};
use crate::chain::owner::unix_now;
use crate::chain::stop::Stop;
use crate::config::Config;

pub(super) fn import(config: &Config, path: &Path) -> anyhow::Result<()> {
    let setup = Setup::new(config)?;
    setup.start_logs(config)?;
    let file = match path.as_os_str() == "-" {
        true => BlockFile::new(std::io::stdin())?,
        false => {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            BlockFile::new(file).with_context(|| format!("cannot read {}", path.display()))?
        }
    };
    let (mut core, _) = setup.open(config)?;
    let stop = Stop::new();
    let _watch = signals::watch_thread(&stop, "the import");
    let mut counter = Counter::new("import", None);
    let done =
        read_blocks(&mut core, file, unix_now, &stop, |tip| counter.set(tip.height.value().into()));
    counter.finish();
    let tip = core.tip();
    let closed = core.close();
    say!("height {}", tip.height);
    say!("tip {}", tip.hash);
    say!("state {}", state_digest(&tip));
    let done = done?;
    closed?;
    say!("blocks {} connected, {} known", done.connected, done.known);
    say!("rate {:.1} blocks/s", done.blocks_per_second());
    Ok(())
}

/// Coins and names after the tip, as one number: equal for equal chains on every machine.
pub(super) fn state_digest(tip: &mvs_store::Tip) -> String {
    format!("{:032x}{:032x}", tip.coin_digest.to_u128(), tip.registry_digest)
}

#[expect(clippy::print_stderr, reason = "standard output may carry the blocks")]
pub(super) fn export(
    config: &Config,
    path: &Path,
    first: Height,
    last: Option<Height>,
) -> anyhow::Result<()> {
    let setup = Setup::new(config)?;
    setup.start_logs(config)?;
    let (core, _) = setup.open(config)?;
    let chain = core.trunk().clone();
    let last = last.unwrap_or(chain.tip().height).min(chain.tip().height);
    let stop = Stop::new();
    let _watch = signals::watch_thread(&stop, "the export");
    let mut counter = Counter::new("export", Some(last.value().into()));
    let mut report = |height: Height| counter.set(height.value().into());
    let is_stdout = path.as_os_str() == "-";
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let written = if is_stdout {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = write_blocks(&chain, first, last, &mut out, &stop, &mut report)?;
        out.flush()?;
        written
    } else {
        // The name appears only when all of it is there.
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let file =
            File::create(&temporary).with_context(|| format!("cannot write {}", path.display()))?;
        let mut out = BufWriter::new(file);
        let written = if is_gzip {
            let mut packed = GzEncoder::new(&mut out, Compression::default());
            let written = write_blocks(&chain, first, last, &mut packed, &stop, &mut report)?;
            packed.finish()?;
            written
        } else {
            write_blocks(&chain, first, last, &mut out, &stop, &mut report)?
        };
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&temporary, path)?;
        written
    };
    counter.finish();
    core.close()?;
    eprintln!("{written} blocks, heights {first} to {last}");
    Ok(())
}
