//! The few functions of `rocksdb/c.h` that the comparison needs, made safe. The C interface is the
//! same over many versions of the library, so any that the system has will do.

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use anyhow::{Context, Result, anyhow};

use crate::coin_store::Found;
use crate::workload::Key;

/// Keys in one `MultiGet`: RocksDB works through so many at once.
const GET_AT_ONCE: usize = 512;

/// Anything that the library hands out.
type Handle = *mut c_void;

unsafe extern "C" {
    fn rocksdb_options_create() -> Handle;
    fn rocksdb_options_destroy(options: Handle);
    fn rocksdb_options_set_create_if_missing(options: Handle, yes: c_uchar);
    fn rocksdb_options_set_compression(options: Handle, kind: c_int);
    fn rocksdb_options_set_write_buffer_size(options: Handle, bytes: usize);
    fn rocksdb_options_set_max_background_jobs(options: Handle, jobs: c_int);
    fn rocksdb_options_set_block_based_table_factory(options: Handle, table: Handle);
    fn rocksdb_block_based_options_create() -> Handle;
    fn rocksdb_block_based_options_destroy(table: Handle);
    fn rocksdb_block_based_options_set_filter_policy(table: Handle, filter: Handle);
    fn rocksdb_block_based_options_set_block_cache(table: Handle, cache: Handle);
    fn rocksdb_filterpolicy_create_bloom_full(bits_per_key: f64) -> Handle;
    fn rocksdb_cache_create_lru(bytes: usize) -> Handle;
    fn rocksdb_cache_destroy(cache: Handle);
    fn rocksdb_readoptions_create() -> Handle;
    fn rocksdb_readoptions_destroy(options: Handle);
    fn rocksdb_writeoptions_create() -> Handle;
    fn rocksdb_writeoptions_destroy(options: Handle);
    fn rocksdb_open(options: Handle, name: *const c_char, error: *mut *mut c_char) -> Handle;
    fn rocksdb_close(db: Handle);
    fn rocksdb_write(db: Handle, options: Handle, batch: Handle, error: *mut *mut c_char);
    fn rocksdb_flush_wal(db: Handle, sync: c_uchar, error: *mut *mut c_char);
    fn rocksdb_get_pinned(
        db: Handle,
        options: Handle,
        key: *const c_char,
        key_len: usize,
        error: *mut *mut c_char,
    ) -> Handle;
    fn rocksdb_multi_get(
        db: Handle,
        options: Handle,
        count: usize,
        keys: *const *const c_char,
        key_lens: *const usize,
        values: *mut *mut c_char,
        value_lens: *mut usize,
        errors: *mut *mut c_char,
    );
    fn rocksdb_pinnableslice_value(slice: Handle, len: *mut usize) -> *const c_char;
    fn rocksdb_pinnableslice_destroy(slice: Handle);
    fn rocksdb_writebatch_create() -> Handle;
    fn rocksdb_writebatch_destroy(batch: Handle);
    fn rocksdb_writebatch_clear(batch: Handle);
    fn rocksdb_writebatch_put(
        batch: Handle,
        key: *const c_char,
        key_len: usize,
        value: *const c_char,
        value_len: usize,
    );
    fn rocksdb_writebatch_singledelete(batch: Handle, key: *const c_char, key_len: usize);
    fn rocksdb_create_iterator(db: Handle, options: Handle) -> Handle;
    fn rocksdb_iter_destroy(iter: Handle);
    fn rocksdb_iter_seek_to_first(iter: Handle);
    fn rocksdb_iter_valid(iter: Handle) -> c_uchar;
    fn rocksdb_iter_next(iter: Handle);
    fn rocksdb_iter_key(iter: Handle, len: *mut usize) -> *const c_char;
    fn rocksdb_iter_value(iter: Handle, len: *mut usize) -> *const c_char;
    fn rocksdb_iter_get_error(iter: Handle, error: *mut *mut c_char);
    fn rocksdb_free(pointer: *mut c_void);
}

/// Called for each pair of key and value.
type VisitPair<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// An open database, with the options that every call needs.
pub struct Db {
    db: NonNull<c_void>,
    cache: Handle,
    read: Handle,
    write: Handle,
}

impl Db {
    /// Opens or creates a database.
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self> {
        let name = CString::new(dir.as_os_str().as_bytes())?;
        let mut error = ptr::null_mut();
        // SAFETY: each handle is passed to the functions made for it, and destroyed once after its
        // last use; the filter belongs to the table options from when it is set, options are
        // copied by `rocksdb_open`, and the cache is counted by reference.
        unsafe {
            let table = rocksdb_block_based_options_create();
            let filter = rocksdb_filterpolicy_create_bloom_full(10.0);
            rocksdb_block_based_options_set_filter_policy(table, filter);
            let cache = rocksdb_cache_create_lru(cache_bytes);
            rocksdb_block_based_options_set_block_cache(table, cache);
            let options = rocksdb_options_create();
            rocksdb_options_set_create_if_missing(options, 1);
            rocksdb_options_set_compression(options, 0);
            rocksdb_options_set_write_buffer_size(options, 64 << 20);
            rocksdb_options_set_max_background_jobs(options, 2);
            rocksdb_options_set_block_based_table_factory(options, table);
            let db = rocksdb_open(options, name.as_ptr(), &mut error);
            rocksdb_block_based_options_destroy(table);
            rocksdb_options_destroy(options);
            taken(error)?;
            Ok(Self {
                db: NonNull::new(db).context("RocksDB opened nothing")?,
                cache,
                read: rocksdb_readoptions_create(),
                write: rocksdb_writeoptions_create(),
            })
        }
    }

    /// Looks one key up.
    pub fn get<T>(&self, key: &[u8], then: impl FnOnce(Option<&[u8]>) -> Result<T>) -> Result<T> {
        let mut error = ptr::null_mut();
        // SAFETY: the key outlives the call; the slice is destroyed after its last use, and its
        // bytes stay as they are until then.
        unsafe {
            let (start, len) = (key.as_ptr().cast(), key.len());
            let slice = rocksdb_get_pinned(self.db.as_ptr(), self.read, start, len, &mut error);
            taken(error)?;
            if slice.is_null() {
                return then(None);
            }
            let mut len = 0;
            let value = rocksdb_pinnableslice_value(slice, &mut len);
            let answer = then(Some(std::slice::from_raw_parts(value.cast(), len)));
            rocksdb_pinnableslice_destroy(slice);
            answer
        }
    }

    /// Looks keys up, many at once.
    pub fn get_many(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        let mut first = 0;
        for keys in keys.chunks(GET_AT_ONCE) {
            let pointers: Vec<*const c_char> = keys.iter().map(|key| key.as_ptr().cast()).collect();
            let lens = vec![size_of::<Key>(); keys.len()];
            let mut values = vec![ptr::null_mut(); keys.len()];
            let mut value_lens = vec![0; keys.len()];
            let mut errors = vec![ptr::null_mut(); keys.len()];
            // SAFETY: every list has as many members as there are keys, which outlive the call.
            unsafe {
                rocksdb_multi_get(
                    self.db.as_ptr(),
                    self.read,
                    keys.len(),
                    pointers.as_ptr(),
                    lens.as_ptr(),
                    values.as_mut_ptr(),
                    value_lens.as_mut_ptr(),
                    errors.as_mut_ptr(),
                );
            }
            let mut answer = Ok(());
            for (at, &value) in values.iter().enumerate() {
                // SAFETY: each error and value is null or allocated by the library, the value with the
                // length beside it, and freed here once.
                unsafe {
                    answer = answer.and(taken(errors[at]));
                    if !value.is_null() {
                        let bytes = std::slice::from_raw_parts(value.cast::<u8>(), value_lens[at]);
                        answer = answer.and_then(|()| found(first + at, Some(bytes)));
                        rocksdb_free(value.cast());
                    } else {
                        answer = answer.and_then(|()| found(first + at, None));
                    }
                }
            }
            answer?;
            first += keys.len();
        }
        Ok(())
    }

    /// Writes a batch into the log without waiting for the disk.
    pub fn write(&self, batch: &WriteBatch) -> Result<()> {
        let mut error = ptr::null_mut();
        // SAFETY: all handles are alive.
        unsafe {
            rocksdb_write(self.db.as_ptr(), self.write, batch.0, &mut error);
            taken(error)
        }
    }

    /// Makes all writes durable.
    pub fn sync(&self) -> Result<()> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is alive.
        unsafe {
            rocksdb_flush_wal(self.db.as_ptr(), 1, &mut error);
            taken(error)
        }
    }

    /// Visits every pair.
    pub fn for_each(&self, visit: VisitPair<'_>) -> Result<()> {
        // SAFETY: the iterator is destroyed after its last use; key and value are valid until it
        // moves on, and have the lengths that come with them.
        unsafe {
            let iter = rocksdb_create_iterator(self.db.as_ptr(), self.read);
            rocksdb_iter_seek_to_first(iter);
            let mut answer = Ok(());
            while answer.is_ok() && rocksdb_iter_valid(iter) != 0 {
                let (mut key_len, mut value_len) = (0, 0);
                let key = rocksdb_iter_key(iter, &mut key_len);
                let value = rocksdb_iter_value(iter, &mut value_len);
                answer = visit(
                    std::slice::from_raw_parts(key.cast(), key_len),
                    std::slice::from_raw_parts(value.cast(), value_len),
                );
                rocksdb_iter_next(iter);
            }
            let mut error = ptr::null_mut();
            rocksdb_iter_get_error(iter, &mut error);
            rocksdb_iter_destroy(iter);
            answer.and(taken(error))
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // SAFETY: each handle is destroyed once, the database before what it uses.
        unsafe {
            rocksdb_close(self.db.as_ptr());
            rocksdb_readoptions_destroy(self.read);
            rocksdb_writeoptions_destroy(self.write);
            rocksdb_cache_destroy(self.cache);
        }
    }
}

/// Changes that are written together.
pub struct WriteBatch(Handle);

impl WriteBatch {
    pub fn new() -> Self {
        // SAFETY: has no conditions.
        Self(unsafe { rocksdb_writebatch_create() })
    }

    pub fn clear(&mut self) {
        // SAFETY: the handle is alive.
        unsafe { rocksdb_writebatch_clear(self.0) }
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: the handle is alive, and the bytes are copied.
        unsafe {
            rocksdb_writebatch_put(self.0, key, key_len, value.as_ptr().cast(), value.len());
        }
    }

    pub fn single_delete(&mut self, key: &[u8]) {
        // SAFETY: the handle is alive, and the bytes are copied.
        unsafe { rocksdb_writebatch_singledelete(self.0, key.as_ptr().cast(), key.len()) }
    }
}

impl Drop for WriteBatch {
    fn drop(&mut self) {
        // SAFETY: the handle is destroyed once.
        unsafe { rocksdb_writebatch_destroy(self.0) }
    }
}

/// Turns an error text of the library into an error, and frees it.
///
/// # Safety
/// `error` is null or a text allocated by the library that nobody else frees.
unsafe fn taken(error: *mut c_char) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: by the condition above.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        rocksdb_free(error.cast());
        Err(anyhow!("RocksDB: {text}"))
    }
}
