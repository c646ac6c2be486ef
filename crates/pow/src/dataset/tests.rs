//! Datasets of the real algorithm at reduced sizes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::backend::tested::tested;

/// Enough pages for several grains, and not a multiple of one.
const PAGES: u32 = if cfg!(miri) { 5 } else { 3 * GRAIN_PAGES as u32 + 85 };
const ITEMS: u32 = if cfg!(miri) { 13 } else { 1021 };

fn cache(backend: Backend) -> LightCache {
    LightCache::reduced(backend, ITEMS, PAGES)
}

fn dataset() -> Dataset {
    let cache = cache(Backend::best());
    Dataset::build_prefix(&cache, PAGES, &Build::on_threads(1)).unwrap()
}

/// A directory of its own for each test, removed afterwards.
struct Scratch(DatasetDir, std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mvs-pow-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(DatasetDir::new(&path), path)
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.file_of(Epoch::FIRST)
    }

    fn load(&self, residence: Residence) -> Result<Dataset, PowError> {
        self.0.load_prefix(Epoch::FIRST, PAGES, residence, &Build::on_threads(1))
    }

    /// What loading says, which must not depend on the residence.
    fn load_error(&self) -> &'static str {
        let [memory, mapped] = [Residence::Memory, Residence::Mapped]
            .map(|residence| self.load(residence).unwrap_err().code());
        assert_eq!(memory, mapped);
        memory
    }

    /// Says whether a cache was asked for, which is when something is built.
    fn load_or_build(&self, residence: Residence) -> (Dataset, Option<PowError>, bool) {
        let mut built = false;
        let cache = || {
            built = true;
            Ok(cache(Backend::best()))
        };
        let build = Build::on_threads(1);
        let (dataset, unstored) =
            self.0.load_or_build_prefix(Epoch::FIRST, PAGES, cache, residence, &build).unwrap();
        (dataset, unstored, built)
    }

    /// Says whether something was built.
    fn prepare(&self) -> Result<bool, PowError> {
        let mut built = false;
        let cache = || {
            built = true;
            Ok(cache(Backend::best()))
        };
        self.0.prepare_prefix(Epoch::FIRST, PAGES, cache, &Build::on_threads(1))?;
        Ok(built)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.1).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.1);
    }
}

#[test]
fn pages_are_those_of_the_cache() {
    for backend in tested() {
        for threads in if cfg!(miri) { 2..3 } else { 0..4 } {
            let cache = cache(backend);
            let build = Build::on_threads(threads);
            let dataset = Dataset::build_prefix(&cache, PAGES, &build).unwrap();
            assert_eq!(dataset.page_count(), PAGES);
            for page in [0, 1, PAGES / 2, PAGES - 1] {
                assert_eq!(dataset.page(page).unwrap(), cache.dataset_page(page).unwrap());
            }
            assert_eq!(dataset.page(PAGES), None);
            dataset.self_check(&cache, 3, 1).unwrap();
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too many hashes")]
fn full_and_light_hashes_agree_at_every_batch_size() {
    let cache = cache(Backend::Portable);
    let attempts: Vec<_> =
        (0..70).map(|nonce| Attempt { seal_hash: [nonce as u8; 32], nonce: nonce << 50 }).collect();
    let expected: Vec<_> = attempts.iter().map(|a| crate::hashimoto_light(&cache, a)).collect();
    for backend in tested() {
        let (cache, dataset) = (cache.on(backend).unwrap(), dataset().on(backend).unwrap());
        for count in 0..=attempts.len() {
            let (attempts, expected) = (&attempts[..count], &expected[..count]);
            assert_eq!(hashimoto_full_many(&dataset, attempts), expected, "{backend} {count}");
            if count < 20 || count % 16 < 2 {
                let light = crate::hashimoto_light_many(&cache, attempts);
                assert_eq!(light, expected, "{backend} {count}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "a light hash takes many minutes there")]
fn full_and_light_agree() {
    let attempt = Attempt { seal_hash: [3; 32], nonce: u64::MAX };
    let seal = crate::hashimoto_light(&cache(Backend::Portable), &attempt);
    assert_eq!(hashimoto_full(&dataset(), &attempt), seal);
}

/// What Miri sees of a hash: seed, the accesses to a dataset, the final hash.
#[test]
fn a_full_hash_passes_its_quick_check() {
    let attempt = Attempt { seal_hash: [3; 32], nonce: u64::MAX };
    let seal = hashimoto_full(&dataset(), &attempt);
    let work = crate::Work {
        epoch: Epoch::FIRST,
        seal_hash: attempt.seal_hash,
        nonce: attempt.nonce,
        mix_hash: seal.mix_hash,
        boundary: seal.final_hash,
    };
    crate::quick_check(&work).unwrap();
    let one_less = ethnum::U256::from_be_bytes(seal.final_hash) - ethnum::U256::ONE;
    let missed = crate::Work { boundary: one_less.to_be_bytes(), ..work };
    assert_eq!(crate::quick_check(&missed).unwrap_err().code(), "pow.seal.result_above_boundary");
}

#[test]
fn progress_ends_at_the_whole() {
    let most = AtomicU64::new(0);
    let calls = AtomicU32::new(0);
    let progress = |done: u64, all: u64| {
        assert_eq!(all, u64::from(PAGES));
        most.fetch_max(done, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let build = Build { progress: &progress, ..Build::on_threads(2) };
    Dataset::build_prefix(&cache(Backend::best()), PAGES, &build).unwrap();
    assert_eq!(most.into_inner(), u64::from(PAGES));
    assert_eq!(calls.into_inner(), PAGES.div_ceil(GRAIN_PAGES as u32));
}

#[test]
fn cancelled_build_is_an_error() {
    let cancel = AtomicBool::new(false);
    // Cancelled while the first grain is being reported, on one thread: the rest is left undone.
    let progress = |_, _| cancel.store(true, Ordering::Relaxed);
    let build = Build { threads: 1, progress: &progress, cancel: &cancel };
    let pages = 2 * GRAIN_PAGES as u32;
    if !cfg!(miri) {
        let error = Dataset::build_prefix(&cache(Backend::best()), pages, &build).unwrap_err();
        assert_eq!(error.code(), "pow.cancelled");
    }
    cancel.store(true, Ordering::Relaxed);
    let error = Dataset::build_prefix(&cache(Backend::Portable), PAGES, &build).unwrap_err();
    assert_eq!(error.code(), "pow.cancelled");
}

#[test]
fn self_check_finds_a_wrong_page() {
    let cache = cache(Backend::best());
    let mut dataset = dataset();
    Arc::get_mut(&mut dataset.nodes).unwrap().bytes_mut()[PAGES as usize * 128 - 1] ^= 1;
    let error = dataset.self_check(&cache, 0, 0).unwrap_err();
    assert!(matches!(error, PowError::WrongPage { page } if page == PAGES - 1));

    let mut dataset = self::dataset();
    let bytes = Arc::get_mut(&mut dataset.nodes).unwrap().bytes_mut();
    bytes.chunks_mut(128).skip(1).take(PAGES as usize - 2).for_each(|page| page[7] ^= 0x80);
    assert_eq!(dataset.self_check(&cache, 1, 5).unwrap_err().code(), "pow.dataset.wrong_page");

    dataset.epoch = Epoch::LAST;
    assert_eq!(dataset.self_check(&cache, 1, 5).unwrap_err().code(), "pow.epoch.wrong");
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn stored_and_loaded_is_the_same() {
    let scratch = Scratch::new("same");
    let dataset = dataset();
    assert!(matches!(scratch.load(Residence::Memory), Err(PowError::Io { source, .. })
        if source.kind() == io::ErrorKind::NotFound));
    for threads in [1, 2] {
        scratch.0.store(&dataset, &Build::on_threads(threads)).unwrap();
    }
    assert_eq!(scratch.names(), ["ethash-00000.dataset"], "no temporary file is left");
    for residence in [Residence::Memory, Residence::Mapped] {
        let loaded = scratch.load(residence).unwrap();
        assert_eq!(loaded.as_bytes(), dataset.as_bytes());
        assert_eq!(loaded.epoch(), Epoch::FIRST);
        let attempt = Attempt { seal_hash: [3; 32], nonce: 4 };
        assert_eq!(hashimoto_full(&loaded, &attempt), hashimoto_full(&dataset, &attempt));
        loaded.self_check(&cache(Backend::best()), 10, 1).unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn all_code_paths_write_the_same_file() {
    let scratch = Scratch::new("paths");
    let mut files = Vec::new();
    for backend in tested() {
        let dataset = dataset().on(backend).unwrap();
        scratch.0.store(&dataset, &Build::on_threads(1)).unwrap();
        files.push(fs::read(scratch.file()).unwrap());
    }
    assert!(files.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn cut_or_lengthened_file() {
    let scratch = Scratch::new("cut");
    scratch.0.store(&dataset(), &Build::on_threads(1)).unwrap();
    let file = OpenOptions::new().write(true).open(scratch.file()).unwrap();
    let whole = file.metadata().unwrap().len();
    for length in [whole + 1, whole - 1, whole - 128, 4097, 4096, 80, 40, 8] {
        file.set_len(length).unwrap();
        assert_eq!(scratch.load_error(), "pow.file.wrong_length", "{length} bytes");
    }
    for length in [7, 1, 0] {
        file.set_len(length).unwrap();
        assert_eq!(scratch.load_error(), "pow.file.foreign", "{length} bytes");
    }
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn foreign_or_damaged_file() {
    let scratch = Scratch::new("foreign");
    let dataset = dataset();
    let spoil = |offset: u64, byte: u8| {
        scratch.0.store(&dataset, &Build::on_threads(1)).unwrap();
        let file = OpenOptions::new().write(true).open(scratch.file()).unwrap();
        file.write_all_at(&[byte], offset).unwrap();
        scratch.load_error()
    };
    assert_eq!(spoil(0, b'X'), "pow.file.foreign");
    assert_eq!(spoil(8, 1), "pow.epoch.wrong");
    assert_eq!(spoil(12, 0), "pow.file.foreign", "another number of pages");
    assert_eq!(spoil(47, 1), "pow.file.foreign", "another seed");
    assert_eq!(spoil(48, 0), "pow.file.checksum_mismatch");
    assert_eq!(spoil(4095, 1), "pow.file.checksum_mismatch");
    let byte = dataset.as_bytes()[100_000] ^ 1;
    assert_eq!(spoil(4096 + 100_000, byte), "pow.file.checksum_mismatch");

    fs::write(scratch.file(), vec![b'z'; 10_000]).unwrap();
    assert_eq!(scratch.load_error(), "pow.file.foreign");

    // A whole and sound file, of another epoch, under this epoch's name.
    let other = Dataset { epoch: Epoch::LAST, ..dataset.clone() };
    scratch.0.store(&other, &Build::on_threads(1)).unwrap();
    fs::rename(scratch.0.file_of(Epoch::LAST), scratch.file()).unwrap();
    assert_eq!(scratch.load_error(), "pow.epoch.wrong");
}

/// Takes so many bytes, then fails in a given way.
struct Disk(usize, io::ErrorKind);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(self.1.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk() {
    let dataset = dataset();
    let build = Build::on_threads(1);
    let path = std::path::Path::new("somewhere");
    let header = file::header(dataset.isa(), Epoch::FIRST, dataset.as_bytes(), &build).unwrap();
    let write = |out: &mut dyn Write| file::write(out, path, &header, dataset.as_bytes(), &build);
    let whole = usize::try_from(file::file_bytes(PAGES)).unwrap();
    for room in [0, 100, 4096, 4097, whole - 1] {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = write(&mut Disk(room, kind)).unwrap_err();
            assert_eq!(error.code(), "pow.file.disk_full", "after {room} bytes");
        }
        let error = write(&mut Disk(room, io::ErrorKind::BrokenPipe)).unwrap_err();
        assert_eq!(error.code(), "pow.file.io");
    }
    write(&mut Disk(whole, io::ErrorKind::StorageFull)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "files")]
fn full_device() {
    let dataset = dataset();
    let build = Build::on_threads(1);
    let header = file::header(dataset.isa(), Epoch::FIRST, dataset.as_bytes(), &build).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let path = std::path::Path::new("/dev/full");
    let error = dir::fill(&full, path, &header, &dataset, &build).unwrap_err();
    assert_eq!(error.code(), "pow.file.disk_full");
}

/// A second store begins when the first has written a part: as another thread of this program does,
/// or a program in another container, whose process id is the same.
#[test]
#[cfg_attr(miri, ignore = "files")]
fn two_stores_at_once_do_not_share_a_file() {
    let scratch = Scratch::new("twice");
    let dataset = dataset();
    let writing = AtomicBool::new(false);
    let nested = AtomicBool::new(false);
    let progress = |done, all| {
        // The checksum reports the whole first, then the writing begins.
        if !writing.swap(done == all, Ordering::Relaxed) || nested.swap(true, Ordering::Relaxed) {
            return;
        }
        scratch.0.store(&dataset, &Build::on_threads(1)).unwrap();
        assert_eq!(scratch.names().len(), 2, "the first one's file is still its own");
    };
    let build = Build { progress: &progress, ..Build::on_threads(1) };
    scratch.0.store(&dataset, &build).unwrap();
    assert!(nested.into_inner());
    assert_eq!(scratch.names(), ["ethash-00000.dataset"]);
    assert_eq!(scratch.load(Residence::Memory).unwrap().as_bytes(), dataset.as_bytes());
}

/// What lies under a temporary name is not ours: a link is not followed, its target not emptied.
#[test]
#[cfg_attr(miri, ignore = "files")]
fn a_temporary_name_that_is_taken_is_left_alone() {
    let scratch = Scratch::new("taken");
    fs::create_dir(&scratch.1).unwrap();
    let notes = scratch.1.join("notes");
    fs::write(&notes, "precious").unwrap();
    for name in [dir::temporary_name(Epoch::FIRST, 0), dir::temporary_name(Epoch::FIRST, 1)] {
        std::os::unix::fs::symlink(&notes, scratch.1.join(name)).unwrap();
    }
    scratch.0.store(&dataset(), &Build::on_threads(1)).unwrap();
    assert_eq!(fs::read(&notes).unwrap(), b"precious");
    assert!(scratch.load(Residence::Memory).is_ok());
    scratch.0.keep_only(&[Epoch::FIRST]).unwrap();
    assert_eq!(scratch.names(), ["ethash-00000.dataset", "notes"]);
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "files")]
fn what_is_no_file_is_foreign() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let scratch = Scratch::new("pipe");
    fs::create_dir(&scratch.1).unwrap();
    mknodat(CWD, scratch.file(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // Opening a pipe that nobody writes to would wait for ever.
    let (send, receive) = std::sync::mpsc::channel();
    let directory = scratch.0.clone();
    std::thread::spawn(move || {
        let loaded = directory.load(Epoch::FIRST, Residence::Memory, &Build::on_threads(1));
        send.send(loaded.map(drop).unwrap_err().code()).unwrap();
    });
    let patience = std::time::Duration::from_secs(20);
    assert_eq!(receive.recv_timeout(patience), Ok("pow.file.foreign"));
    fs::remove_file(scratch.file()).unwrap();
    fs::create_dir(scratch.file()).unwrap();
    assert_eq!(scratch.load_error(), "pow.file.foreign");
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn failed_or_cancelled_store_keeps_the_old_file() {
    let scratch = Scratch::new("keeps");
    let dataset = dataset();
    scratch.0.store(&dataset, &Build::on_threads(1)).unwrap();
    let cancel = AtomicBool::new(false);
    // The checksum reports once all is hashed; what comes after is the writing.
    let progress = |done, all| cancel.store(done == all, Ordering::Relaxed);
    let build = Build { threads: 1, progress: &progress, cancel: &cancel };
    let error = scratch.0.store(&dataset, &build).unwrap_err();
    assert_eq!(error.code(), "pow.cancelled");
    assert_eq!(scratch.names(), ["ethash-00000.dataset"]);
    scratch.load(Residence::Memory).unwrap();
}

#[test]
fn a_directory_without_a_name_is_the_current_one() {
    let file = DatasetDir::new("").file_of(Epoch::FIRST);
    assert_eq!(file, std::path::Path::new("./ethash-00000.dataset"));
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn keep_only_removes_other_epochs_and_leftovers() {
    let scratch = Scratch::new("keep");
    scratch.0.keep_only(&[]).unwrap();
    fs::create_dir(&scratch.1).unwrap();
    let names = ["ethash-00000.dataset", "ethash-00001.dataset", "ethash-00001.77.tmp", "notes"];
    names.iter().for_each(|name| fs::write(scratch.1.join(name), "x").unwrap());
    scratch.0.keep_only(&[Epoch::FIRST]).unwrap();
    assert_eq!(scratch.names(), ["ethash-00000.dataset", "notes"]);
}

/// A start, and a second one.
#[test]
#[cfg_attr(miri, ignore = "files")]
fn what_was_built_once_is_loaded_afterwards() {
    let scratch = Scratch::new("restart");
    let expected = dataset();
    let (dataset, unstored, built) = scratch.load_or_build(Residence::Memory);
    assert!(built && unstored.is_none());
    assert_eq!(dataset.as_bytes(), expected.as_bytes());
    assert_eq!(scratch.names(), ["ethash-00000.dataset"]);
    let stored = fs::metadata(scratch.file()).unwrap().modified().unwrap();
    for residence in [Residence::Memory, Residence::Mapped] {
        let (dataset, unstored, built) = scratch.load_or_build(residence);
        assert!(!built && unstored.is_none(), "a restart builds nothing");
        assert_eq!(dataset.as_bytes(), expected.as_bytes());
    }
    assert_eq!(fs::metadata(scratch.file()).unwrap().modified().unwrap(), stored);
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn a_file_that_cannot_be_used_is_replaced() {
    let scratch = Scratch::new("replaced");
    scratch.0.store(&dataset(), &Build::on_threads(1)).unwrap();
    let good = fs::read(scratch.file()).unwrap();
    let mut damaged = good.clone();
    damaged[4096 + 100_000] ^= 1;
    let mut other_epoch = good.clone();
    other_epoch[8] ^= 1;
    let bad = [
        (&damaged[..], "pow.file.checksum_mismatch"),
        (&good[..good.len() - 1], "pow.file.wrong_length"),
        (b"notes of somebody else", "pow.file.foreign"),
        (b"", "pow.file.foreign"),
        (&other_epoch, "pow.epoch.wrong"),
    ];
    for (content, code) in bad {
        for residence in [Residence::Memory, Residence::Mapped] {
            fs::write(scratch.file(), content).unwrap();
            assert_eq!(scratch.load_error(), code);
            let (dataset, unstored, built) = scratch.load_or_build(residence);
            assert!(built && unstored.is_none(), "{code}");
            assert_eq!(dataset.as_bytes(), &good[4096..]);
            assert!(fs::read(scratch.file()).unwrap() == good, "{code}");
        }
    }
}

/// Files that may not grow are to us what a full disk is. The limit holds for a whole process, so the
/// test runs itself again in one of its own.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "files")]
fn on_a_full_disk_mining_goes_on() {
    const LIMITED: &str = "MVS_POW_TEST_LIMITED";
    if std::env::var_os(LIMITED).is_none() {
        // At most 8 KiB, and the signal that would end the process is not wanted.
        let again = "ulimit -f 8 && trap '' XFSZ && exec \"$0\" --exact \"$1\"";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", again]).arg(std::env::current_exe().unwrap());
        shell.arg("dataset::tests::on_a_full_disk_mining_goes_on").env(LIMITED, "1");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(" 1 passed"), "{output:?}");
        return;
    }
    let scratch = Scratch::new("goes-on");
    for residence in [Residence::Memory, Residence::Mapped] {
        let (dataset, unstored, built) = scratch.load_or_build(residence);
        assert!(built);
        assert_eq!(unstored.unwrap().code(), "pow.file.disk_full");
        assert_eq!(dataset.as_bytes(), self::dataset().as_bytes());
        assert!(scratch.names().is_empty(), "nothing is left behind");
    }
    // The next epoch's is wanted on disk, so there it is an error.
    let error = scratch.prepare().unwrap_err();
    assert_eq!(error.code(), "pow.file.disk_full");
    assert!(error.to_string().contains("make room"), "{error}");
    assert!(scratch.names().is_empty(), "nothing is left behind");
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn what_is_prepared_is_there_when_its_epoch_comes() {
    let scratch = Scratch::new("prepared");
    assert!(scratch.prepare().unwrap());
    assert_eq!(scratch.names(), ["ethash-00000.dataset"]);
    assert!(!scratch.prepare().unwrap(), "once is enough");
    let (dataset, _, built) = scratch.load_or_build(Residence::Mapped);
    assert!(!built);
    assert_eq!(dataset.as_bytes(), self::dataset().as_bytes());

    // Cut short, as by a crash of a file system: it is built anew.
    let file = OpenOptions::new().write(true).open(scratch.file()).unwrap();
    file.set_len(5000).unwrap();
    assert!(scratch.prepare().unwrap());
    scratch.load(Residence::Memory).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "files")]
fn cancelled_load_does_not_start_to_build() {
    let scratch = Scratch::new("cancelled");
    scratch.0.store(&dataset(), &Build::on_threads(1)).unwrap();
    let cancel = AtomicBool::new(true);
    let build = Build { threads: 1, progress: &|_, _| (), cancel: &cancel };
    let no_cache = || -> Result<LightCache, PowError> { unreachable!("nothing is to be built") };
    for residence in [Residence::Memory, Residence::Mapped] {
        let outcome =
            scratch.0.load_or_build_prefix(Epoch::FIRST, PAGES, no_cache, residence, &build);
        assert_eq!(outcome.unwrap_err().code(), "pow.cancelled");
    }
}

#[test]
fn errors_about_files_say_what_to_do() {
    let path = std::path::PathBuf::from("ethash-00000.dataset");
    for error in [
        PowError::ForeignFile { path: path.clone() },
        PowError::WrongFileLength { path: path.clone(), found: 1, required: 2 },
        PowError::ChecksumMismatch { path },
    ] {
        let text = error.to_string();
        assert!(text.starts_with("ethash-00000.dataset "), "{text}");
        assert!(text.ends_with("; delete it, it will be built again"), "{text}");
    }
}
