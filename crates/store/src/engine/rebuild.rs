//! Building the index or the live maps anew, each from the other and the log.

use std::collections::HashSet;
use std::sync::Arc;

use super::clean::entries_of;
use super::codec::{offset_of, position_of, segment_of, walk_entries};
use super::live::LiveEditor;
use super::log::record_at;
use super::types::{Opened, Recovery};
use super::{Engine, EngineError, Options};
use crate::backing::Disk;
use crate::layout::segment;

/// A part of the store that is damaged and can be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Files of `index`.
    Index,
    /// Files of `live`.
    LiveMaps,
}

impl<D: Disk> Engine<D> {
    /// As [`Engine::open`], but builds one part anew instead of reading it. The log, the checkpoint and the
    /// other part must be whole. It lasts from the next [`Engine::checkpoint`] on; until then that
    /// part on disk is damaged, whatever it was before.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_rebuilding(
        disk: D,
        options: Options,
        part: Damaged,
        recovery: &mut dyn Recovery,
    ) -> Result<(Self, Opened), EngineError> {
        Self::open_with(disk, options, recovery, Some(part))
    }

    pub(super) fn rebuild(&mut self, part: Damaged) -> Result<(), EngineError> {
        let mut spent = HashSet::new();
        for at in &self.ring {
            spent.extend(self.spent_by(*at)?);
        }
        match part {
            Damaged::Index => self.rebuild_index(&spent),
            Damaged::LiveMaps => self.rebuild_live(&spent),
        }
    }

    /// What is needed and not spent is live.
    fn rebuild_index(&self, spent: &HashSet<u64>) -> Result<(), EngineError> {
        for book in self.books.values() {
            let Some(segment) = self.log.segments.get(book.number) else { continue };
            let mut live = LiveEditor::new();
            let mut at = (segment::HEADER_BYTES as u32).max(book.cursor);
            while at < book.used {
                let corrupt = || segment.corrupt(u64::from(at), "record");
                let (header, view) = record_at(segment, at)?.ok_or_else(corrupt)?;
                if let Some((list, base)) = entries_of(header.kind, &view) {
                    let well_formed = walk_entries(list, at + base, |entry| {
                        let position = position_of(segment.number, entry.at);
                        if live.get(segment, entry.at)? && !spent.contains(&position) {
                            let hash = self.shared.seeds.hash(&entry.key);
                            self.shared.index.insert(hash, position)?;
                        }
                        Ok(())
                    })?;
                    if !well_formed {
                        return Err(corrupt());
                    }
                }
                at += header.bytes;
            }
        }
        Ok(())
    }

    /// What is live, or was spent by a block that can be undone, is needed, unless cleaning has
    /// taken it elsewhere.
    fn rebuild_live(&mut self, spent: &HashSet<u64>) -> Result<(), EngineError> {
        let segments = Arc::clone(&self.log.segments);
        let shared = Arc::clone(&self.shared);
        let mut live = LiveEditor::new();
        shared.index.for_each(&mut |_, at| self.set_live(&mut live, &segments, at, true))?;
        for &at in spent {
            let book = self.books.get(&segment_of(at));
            if book.is_some_and(|book| offset_of(at) >= book.cursor) {
                self.set_live(&mut live, &segments, at, true)?;
            }
        }
        live.flush()
    }
}
