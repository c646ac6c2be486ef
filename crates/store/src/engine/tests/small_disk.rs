//! A real file system that is full: refusals are clean, mapped pages are never without space behind
//! them (that would be a SIGBUS, the end of this process), and more space is all that is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::model::{Block, Chain, Model, Step, assert_same, assert_sound, nothing, perform};
use super::*;
use crate::mmap::MapDisk;

/// A file system in memory of limited size, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where this process may not mount.
    fn mount(name: &str, kib: u32) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("mvs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "mvs-store-test"]).arg(&path);
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            let _ = std::fs::remove_dir(&path);
            eprintln!("SKIPPED: this process may not mount a small tmpfs");
        }
        mounted.then_some(Self(path))
    }

    fn resize(&self, kib: u32) {
        let size = format!("remount,size={kib}k");
        let status = Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap();
        assert!(status.success(), "remount");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn options(rng: &mut SimRng) -> Options {
    Options {
        segment_bytes: 64 << 10,
        grow_bytes: 8 << 10,
        checkpoint_bytes: 100 << 10,
        clean_step_bytes: 16 << 10,
        background: rng.below(2) == 0,
        ..tiny(rng)
    }
}

/// A block that makes more than it takes.
fn block(model: &Model, rng: &mut SimRng) -> Block {
    let height = model.chain.last().map_or(0, |last| last.height + 1);
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    let spent = model.coins.iter().take(1).map(|(k, v)| (*k, v.clone())).collect();
    let created = (0..1 + rng.below(6) as u32)
        .map(|index| {
            let mut key = [7; 36];
            key[..32].copy_from_slice(&hash);
            key[32..].copy_from_slice(&index.to_le_bytes());
            (key, vec![index as u8; rng.below(3_000) as usize])
        })
        .collect();
    Block { height, hash, spent, created, extra: vec![1; 9] }
}

/// Commits one block; the model follows if it is there.
fn commit(
    engine: &mut Engine<MapDisk>,
    model: &mut Model,
    rng: &mut SimRng,
) -> Result<(), EngineError> {
    let step = [Step::Apply(block(model, rng))];
    let mut batch = engine.batch()?;
    perform(&mut batch, model, &step)?;
    batch.commit(&[])?;
    let [Step::Apply(block)] = &step else { return Ok(()) };
    model.apply(block);
    model.committed(engine.options.undo_horizon);
    if engine.checkpoint_due() {
        engine.checkpoint(Chain::of(model).aux(), nothing())?;
    }
    Ok(())
}

fn open(path: &Path, options: &Options) -> Result<Engine<MapDisk>, EngineError> {
    let disk = MapDisk::open(path).unwrap();
    Ok(Engine::open(disk, options.clone(), &mut Chain::default())?.0)
}

#[test]
fn a_full_file_system_refuses_and_a_larger_one_goes_on() {
    if cfg!(miri) {
        eprintln!("SKIPPED under Miri: needs a file system");
        return;
    }
    let mut refused = 0;
    for seed in 0..3 {
        let mut rng = SimRng::new(seed);
        let options = options(&mut rng);
        let Some(disk) = SmallDisk::mount(&format!("small-{seed}"), 400 + 104 * seed as u32) else {
            return;
        };
        let mut model = Model::default();
        let mut engine = open(&disk.0, &options).unwrap();
        for round in 0..3 {
            let full = loop {
                match commit(&mut engine, &mut model, &mut rng) {
                    Ok(()) => assert!(model.chain.len() < 5_000, "it is never full"),
                    Err(error) => break error,
                }
            };
            assert_eq!(full.code(), "store.no_space", "seed {seed}: {full}");
            refused += 1;
            assert_same(&engine, &model);
            assert_sound(&engine);
            // Again and again, smaller blocks among them.
            for _ in 0..10 {
                if let Err(error) = commit(&mut engine, &mut model, &mut rng) {
                    assert_eq!(error.code(), "store.no_space", "seed {seed}: {error}");
                }
                assert_eq!(engine.tip(), model.tip());
            }
            if round % 2 == 0 {
                // As after a crash, with no space left for anything.
                drop(engine);
                match open(&disk.0, &options) {
                    Ok(opened) => {
                        assert_same(&opened, &model);
                        assert_sound(&opened);
                    }
                    Err(error) => assert_eq!(error.code(), "store.no_space", "seed {seed}"),
                }
                disk.resize(900 + 400 * round);
                engine = open(&disk.0, &options).unwrap();
            } else {
                disk.resize(900 + 400 * round);
            }
            assert_same(&engine, &model);
            for _ in 0..5 {
                commit(&mut engine, &mut model, &mut rng).unwrap();
            }
        }
        disk.resize(32_000);
        commit(&mut engine, &mut model, &mut rng).unwrap();
        assert_same(&engine, &model);
        assert_sound(&engine);
        engine.close(Chain::of(&model).aux(), nothing()).unwrap();
        assert_same(&open(&disk.0, &options).unwrap(), &model);
    }
    println!("{refused} times full, each time refused and gone on");
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// A file that somebody cut or took away while the store was closed: a mapping beyond its end is never
/// read.
#[test]
fn a_file_cut_short_or_absent_is_refused_or_harmless() {
    if cfg!(miri) {
        eprintln!("SKIPPED under Miri: needs a file system");
        return;
    }
    let root = std::env::temp_dir().join(format!("mvs-cut-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let mut rng = SimRng::new(44);
    let options = Options { background: false, ..options(&mut rng) };
    let mut model = Model::default();
    let mut engine = open(&root, &options).unwrap();
    for _ in 0..60 {
        commit(&mut engine, &mut model, &mut rng).unwrap();
    }
    drop(engine);
    let mut files = Vec::new();
    files_below(&root, &mut files);
    let (mut refused, mut opened) = (0, 0);
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let lens = [None, Some(0), Some(1), Some(whole.len() / 2), Some(whole.len().max(1) - 1)];
        for len in lens {
            let saved: Vec<(PathBuf, Vec<u8>)> =
                files.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
            match len {
                Some(len) => std::fs::write(file, &whole[..len.min(whole.len())]).unwrap(),
                None => std::fs::remove_file(file).unwrap(),
            }
            let what = format!("{} at {len:?}", file.display());
            match open(&root, &options) {
                Err(error) => {
                    let code = error.code();
                    assert!(["store.corrupt", "store.io"].contains(&code), "{what}: {error}");
                    refused += 1;
                }
                Ok(engine) => {
                    opened += 1;
                    let mut found = 0;
                    engine.check(&mut |_, _| {}, &mut |_| found += 1).unwrap();
                    if engine.tip() == model.tip() && found == 0 {
                        assert_same(&engine, &model);
                    }
                }
            }
            std::fs::remove_dir_all(&root).unwrap();
            for (path, bytes) in saved {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    println!("{} files: {refused} refused, {opened} opened", files.len());
    assert!(refused > 0);
    assert_same(&open(&root, &options).unwrap(), &model);
    std::fs::remove_dir_all(&root).unwrap();
}
