//! Memory for caches and datasets: 2 MiB pages where the system gives them, files where it must last.
//!
//! Random reads over a gigabyte miss the TLB on nearly every access with 4 KiB pages; 2 MiB pages
//! make the full search about twice as fast.
#![allow(unsafe_code)] // views bytes as nodes, maps files

use std::fs::File;

use memmap2::{Mmap, MmapMut, MmapOptions};

use crate::PowError;
use crate::epoch::NODE_BYTES;
use crate::node::Node;

/// Size and alignment of a large page in bytes.
const LARGE_PAGE: usize = 2 << 20;

/// Nodes in memory, all zero at first.
///
/// # Invariants
/// In `Anonymous` and `File` the mapping holds `count` whole nodes from `offset` on, and `offset` is
/// a multiple of a node's alignment from the mapping's start, which is page-aligned.
#[derive(Debug)]
enum Backing {
    Heap(Vec<Node>),
    Anonymous { map: MmapMut, offset: usize, count: usize },
    File { map: Mmap, offset: usize, count: usize },
}

/// A fixed number of nodes, cache-line aligned.
#[derive(Debug)]
pub(crate) struct NodeBuf(Backing);

impl NodeBuf {
    /// Zeroed nodes, in 2 MiB pages if there are enough of them and the system agrees.
    pub(crate) fn zeroed(count: usize) -> Result<Self, PowError> {
        let out_of_memory =
            || PowError::OutOfMemory { bytes: (count as u64).saturating_mul(NODE_BYTES as u64) };
        let bytes = count.checked_mul(NODE_BYTES).ok_or_else(out_of_memory)?;
        if bytes < LARGE_PAGE {
            return Ok(Self(Backing::Heap(vec![Node::default(); count])));
        }
        let padded = bytes.checked_add(LARGE_PAGE).ok_or_else(out_of_memory)?;
        let map = MmapOptions::new().len(padded).map_anon().map_err(|_| out_of_memory())?;
        let offset = map.as_ptr().align_offset(LARGE_PAGE);
        // Plain pages do as well, only slower: a refusal is no error.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(Backing::Anonymous { map, offset, count }))
    }

    /// The nodes in a file from this offset on.
    ///
    /// The caller has checked that the file is long enough. If another program shortens it later,
    /// reads beyond its end kill this process; the files live in a directory of our own.
    pub(crate) fn map_file(file: &File, offset: usize, count: usize) -> std::io::Result<Self> {
        let end = count.checked_mul(NODE_BYTES).and_then(|bytes| bytes.checked_add(offset));
        let length = usize::try_from(file.metadata()?.len()).ok();
        let fits = matches!((end, length), (Some(end), Some(length)) if end <= length);
        if !fits || !offset.is_multiple_of(align_of::<Node>()) {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the map is only read. That nobody changes the file under it is the contract of the
        // dataset directory (see the type's documentation); a changed byte would give a wrong hash,
        // which is noticed when the found seal is verified.
        let map = unsafe { Mmap::map(file) }?;
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(Backing::File { map, offset, count }))
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        match &self.0 {
            Backing::Heap(nodes) => nodes,
            Backing::Anonymous { map, offset, count } => view(map, *offset, *count),
            Backing::File { map, offset, count } => view(map, *offset, *count),
        }
    }

    /// The nodes for writing.
    ///
    /// # Panics
    /// For a mapped file, which is only read.
    pub(crate) fn nodes_mut(&mut self) -> &mut [Node] {
        match &mut self.0 {
            Backing::Heap(nodes) => nodes,
            Backing::Anonymous { map, offset, count } => {
                let bytes = &mut map[*offset..][..*count * NODE_BYTES];
                let start = bytes.as_mut_ptr().cast::<Node>();
                assert!(start.is_aligned(), "the mapping starts on a page");
                // SAFETY: `start` is aligned, the slice above proves that `count` nodes lie inside
                // the mapping, every bit pattern is a node, and `self` is borrowed for the result.
                unsafe { std::slice::from_raw_parts_mut(start, *count) }
            }
            Backing::File { .. } => unreachable!("mapped files are not written through the map"),
        }
    }

    /// The nodes in their wire form.
    pub(crate) fn bytes(&self) -> &[u8] {
        as_bytes(self.nodes())
    }

    /// The same for writing, to read a file into.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let nodes = self.nodes_mut();
        // SAFETY: a node is 64 bytes without padding and any bytes make a node.
        unsafe {
            std::slice::from_raw_parts_mut(nodes.as_mut_ptr().cast(), size_of_val::<[Node]>(nodes))
        }
    }
}

/// Nodes in their wire form.
pub(crate) fn as_bytes(nodes: &[Node]) -> &[u8] {
    // SAFETY: a node is 64 bytes without padding; the machine is little-endian (see `node.rs`).
    unsafe { std::slice::from_raw_parts(nodes.as_ptr().cast(), size_of_val(nodes)) }
}

/// The nodes inside a mapping.
fn view(map: &[u8], offset: usize, count: usize) -> &[Node] {
    let bytes = &map[offset..][..count * NODE_BYTES];
    let start = bytes.as_ptr().cast::<Node>();
    assert!(start.is_aligned(), "the mapping starts on a page");
    // SAFETY: `start` is aligned, the slice above proves that `count` nodes lie inside the mapping,
    // every bit pattern is a node, and the result borrows the mapping.
    unsafe { std::slice::from_raw_parts(start, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_start_zeroed_and_keep_what_is_written() {
        let large = if cfg!(miri) { 100 } else { 2 * LARGE_PAGE / NODE_BYTES + 1 };
        for count in [2, 99, large] {
            let mut buf = NodeBuf::zeroed(count).unwrap();
            assert!(buf.nodes().iter().all(|node| *node == Node::default()));
            buf.nodes_mut()[count - 1].0[15] = 0x0403_0201;
            assert_eq!(buf.bytes().len(), count * NODE_BYTES);
            assert_eq!(buf.bytes()[count * NODE_BYTES - 4..], [1, 2, 3, 4]);
            buf.bytes_mut()[0] = 7;
            assert_eq!(buf.nodes()[0].0[0], 7);
        }
    }

    #[test]
    fn more_than_the_machine_has_is_an_error() {
        let error = NodeBuf::zeroed(usize::MAX / 64).unwrap_err();
        assert_eq!(error.code(), "pow.memory.exhausted");
    }
}
