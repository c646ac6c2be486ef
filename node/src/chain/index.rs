//! Headers above and beside the connected chain.
//!
//! The connected chain itself (the [`Trunk`]) is on disk and answers for its own headers, so this
//! holds only what is not connected: the headers ahead of the blocks during synchronisation, and side
//! branches. A branch is a run of consecutive headers with one place where it leaves another branch
//! or the trunk; so a header by height is found by arithmetic, and no entry needs links.
//!
//! Nothing here costs disk. Memory is bounded by [`Limits`]: when side branches are too many, those go
//! first that cost their makers nothing (stake headers, whose stake shows only with the block), of them
//! those of whoever told most; then the one with the least work. So spam displaces spam.

mod branch;
mod invalid;
mod locator;
mod view;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use mvs_consensus::branch::replaces;
use mvs_consensus::error::Fault;
use mvs_consensus::header::{Parent, PlacedHeader};
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;

use branch::{Base, Branch, BranchId, Entry, LastHeights, Sums};
pub use branch::{Known, Source};
pub use invalid::InvalidBlocks;
pub use locator::{HeadersAfter, headers_after, locator, locator_heights, locator_limit};
pub use view::BranchView;

use super::trunk::Trunk;

/// Blocks of a branch that may wait for each header that somebody worked for. In the era of stakes about
/// every second header is one, and runs of the others are short.
const BLOCKS_FOR_A_BACKED_ONE: usize = 4;

/// How much the index may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Headers of the heaviest branch that are not connected yet. About 320 bytes each. Below a
    /// checkpoint there may be as many as there are blocks up to it.
    pub ahead: usize,
    /// Headers of all other branches together.
    pub beside: usize,
    /// Branches, the heaviest one included.
    pub branches: usize,
    /// Side branches of one source in which nothing cost anything.
    pub free_branches: usize,
    /// Headers of these together.
    pub free_headers: usize,
    /// How far below the tip a branch may leave the trunk: deeper the store cannot undo.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ahead: 40_000,
            beside: 24_000,
            branches: 512,
            free_branches: 16,
            free_headers: 2_000,
            depth: 10_000,
        }
    }
}

/// One header of the index or the trunk, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedTip {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Summed difficulty from the genesis block on, both included.
    pub work: Work,
}

/// The headers that are known and not connected.
#[derive(Debug)]
pub struct BlockIndex {
    branches: BTreeMap<BranchId, Branch>,
    by_hash: HashMap<BlockHash, Place>,
    invalid: InvalidBlocks,
    next_branch: BranchId,
    next_seen: u64,
    /// Who told the headers that come next.
    source: Option<Source>,
    limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    branch: BranchId,
    height: Height,
}

/// Where a known block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On the connected chain, at this height.
    Trunk(Height),
    /// Known by its header, at this height.
    Beside(Height),
    /// It or an ancestor broke a rule.
    Invalid,
    /// Never heard of, or forgotten.
    Unknown,
}

/// A stretch of a branch from the block after the fork up to some block of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The last block that the branch shares with the trunk.
    pub fork: Height,
    /// The runs of entries, lowest first: branch, first and last height.
    runs: Vec<(BranchId, Height, Height)>,
}

impl Path {
    /// Returns the height of the last block; the fork's when there is none.
    pub fn top(&self) -> Height {
        self.runs.last().map_or(self.fork, |run| run.2)
    }
}

/// A block that leaves the trunk, as it returns into the index.
#[derive(Debug, Clone)]
pub struct UndoneHeader {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
}

impl BlockIndex {
    /// An empty index.
    pub fn new(limits: Limits) -> Self {
        Self {
            branches: BTreeMap::new(),
            by_hash: HashMap::new(),
            invalid: InvalidBlocks::default(),
            next_branch: 0,
            next_seen: 0,
            source: None,
            limits,
        }
    }

    /// Returns how much it may hold.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Makes room for a stretch of headers ahead of the connected chain that must be known as a
    /// whole: up to the next checkpoint.
    pub const fn make_room_ahead(&mut self, headers: usize) {
        if self.limits.ahead < headers {
            self.limits.ahead = headers;
        }
    }

    /// Says who tells the headers that are appended from now on; `None` is ourselves.
    pub const fn set_source(&mut self, source: Option<Source>) {
        self.source = source;
    }

    /// Returns how many headers it holds.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Tells whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Tells where a block is.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read.
    pub fn standing(&self, trunk: &impl Trunk, hash: &BlockHash) -> Result<Standing, Fault> {
        if let Some(place) = self.by_hash.get(hash) {
            return Ok(Standing::Beside(place.height));
        }
        if self.invalid.contains(hash) {
            return Ok(Standing::Invalid);
        }
        Ok(trunk.height_of(hash)?.map_or(Standing::Unknown, Standing::Trunk))
    }

    /// Returns a header that is not connected.
    pub fn get(&self, hash: &BlockHash) -> Option<&Known> {
        self.entry(hash).map(|entry| &entry.known)
    }

    /// Notes that a header which came back from the connected chain was given its place again.
    pub fn set_placed(&mut self, placed: PlacedHeader) {
        let Some(place) = self.by_hash.get(&placed.hash()) else { return };
        let branch = self.branches.get_mut(&place.branch);
        if let Some(entry) = branch.and_then(|branch| branch.at_mut(place.height)) {
            entry.known = Known::Placed(placed);
        }
    }

    /// Returns the summed difficulty up to a header that is not connected.
    pub fn work(&self, hash: &BlockHash) -> Option<Work> {
        self.entry(hash).map(|entry| entry.work)
    }

    fn entry(&self, hash: &BlockHash) -> Option<&Entry> {
        let place = self.by_hash.get(hash)?;
        self.branches.get(&place.branch)?.at(place.height)
    }

    /// Returns the heaviest block that is known by its header, the trunk's tip included. Of two
    /// equal ones the connected one comes first, then the one seen first.
    pub fn best(&self, trunk: &impl Trunk) -> IndexedTip {
        let tip = trunk.tip();
        let tip = IndexedTip { hash: tip.hash, height: tip.height, work: tip.work };
        self.heavier_than(tip.work).into_iter().next().unwrap_or(tip)
    }

    /// Returns the ends of all branches that are strictly heavier than `work`, heaviest first; of
    /// equal ones the first seen comes first.
    pub fn heavier_than(&self, work: Work) -> Vec<IndexedTip> {
        let mut ends: Vec<(u64, IndexedTip)> = self
            .branches
            .values()
            .filter_map(Branch::end)
            .filter(|(_, end)| replaces(end.work, work))
            .collect();
        ends.sort_by(|(seen_a, a), (seen_b, b)| b.work.cmp(&a.work).then(seen_a.cmp(seen_b)));
        ends.into_iter().map(|(_, end)| end).collect()
    }

    /// Returns the end of the branch that a header is in, and what it cost its makers.
    pub fn end_of(&self, hash: &BlockHash) -> Option<(IndexedTip, Work)> {
        let branch = self.branches.get(&self.by_hash.get(hash)?.branch)?;
        Some((branch.end()?.1, branch.backed_work()))
    }

    /// Tells whether a header is in a branch in which nothing cost anything.
    pub fn is_free(&self, hash: &BlockHash) -> bool {
        let place = self.by_hash.get(hash);
        place.and_then(|place| self.branches.get(&place.branch)).is_some_and(Branch::is_free)
    }

    /// Returns how far the connected chain is behind, at the most, by headers that somebody had to work
    /// for or that were judged before. Those of stake blocks do not count: anybody can make any number
    /// of them in no time.
    pub fn backed_ahead(&self, trunk: &impl Trunk) -> u32 {
        let count = |end: IndexedTip| Some(self.backed_on(&self.path_to(&end.hash)?));
        self.heavier_than(trunk.tip().work).into_iter().filter_map(count).max().unwrap_or(0)
    }

    /// Returns how many headers of a path are backed: somebody worked for them, or they were judged.
    pub fn backed_on(&self, path: &Path) -> u32 {
        let backed = path
            .runs
            .iter()
            .filter_map(|(id, _, last)| Some(self.branches.get(id)?.backed_up_to(*last)));
        backed.fold(0, u32::saturating_add)
    }

    /// Returns how many blocks of a path may be held at a time although they take more memory than others
    /// may: only those of a branch that cost somebody something, or anybody could fill it.
    pub fn blocks_worth_holding(&self, path: &Path) -> usize {
        let backed = usize::try_from(self.backed_on(path)).unwrap_or(usize::MAX);
        backed.saturating_mul(BLOCKS_FOR_A_BACKED_ONE)
    }

    /// Returns the end of the branch that is heavier than the trunk for which most was worked.
    pub fn best_backed(&self, trunk: &impl Trunk) -> IndexedTip {
        let worth =
            |end: &IndexedTip| self.end_of(&end.hash).map_or(Work::ZERO, |(_, worth)| worth);
        // Of equal ones the heavier, which comes first.
        let ends = self.heavier_than(trunk.tip().work).into_iter().rev();
        ends.max_by_key(worth).unwrap_or_else(|| self.best(trunk))
    }

    /// Returns the way from the trunk to a header that is not connected; `None` when it is not held.
    pub fn path_to(&self, hash: &BlockHash) -> Option<Path> {
        let place = self.by_hash.get(hash)?;
        let mut runs = Vec::new();
        let (mut id, mut last) = (place.branch, place.height);
        loop {
            let branch = self.branches.get(&id)?;
            runs.push((id, branch.first, last));
            let below = branch.first.previous()?;
            match branch.base {
                Base::Trunk => {
                    runs.reverse();
                    return Some(Path { fork: below, runs });
                }
                Base::Branch(parent) => (id, last) = (parent, below),
            }
        }
    }

    /// Returns the headers of a path from a height on, lowest first.
    pub fn walk<'a>(
        &'a self,
        path: &'a Path,
        from: Height,
    ) -> impl Iterator<Item = (Height, &'a Known)> + 'a {
        path.runs.iter().flat_map(move |(id, first, last)| {
            let branch = self.branches.get(id);
            (from.max(*first).value()..=last.value()).filter_map(move |height| {
                let height = Height::new(height);
                Some((height, &branch?.at(height)?.known))
            })
        })
    }

    /// Returns the work at a height of a path.
    pub fn work_on(&self, path: &Path, height: Height) -> Option<Work> {
        let (id, ..) = path.runs.iter().find(|(_, a, b)| *a <= height && height <= *b)?;
        Some(self.branches.get(id)?.at(height)?.work)
    }

    /// Returns the parts of the chain below and including a block that header rules look at.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read.
    pub fn view_to<'a, T: Trunk>(
        &'a self,
        trunk: &'a T,
        hash: &BlockHash,
    ) -> Result<Option<(Parent, BranchView<'a, T>)>, Fault> {
        if let Some(path) = self.path_to(hash) {
            let height = path.top();
            let view = BranchView::new(self, trunk, path);
            return Ok(Some((Parent { hash: *hash, height }, view)));
        }
        let Some(height) = trunk.height_of(hash)? else { return Ok(None) };
        let view = BranchView::new(self, trunk, Path { fork: height, runs: Vec::new() });
        Ok(Some((Parent { hash: *hash, height }, view)))
    }

    /// Appends accepted headers to the block that the first of them builds on, which must be known.
    /// Tells how many of them are held; less than all means that there is no room.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read, or the headers do not follow each other.
    pub fn append(
        &mut self,
        trunk: &impl Trunk,
        headers: Vec<PlacedHeader>,
    ) -> Result<usize, Fault> {
        let Some(first) = headers.first() else { return Ok(0) };
        let parent = first.header().previous;
        let Some((parent, mut sums, mut last)) = self.foot(trunk, &parent)? else {
            return Err(Fault::Broken("headers are appended to a block that is not known"));
        };
        if first.height().previous() != Some(parent.height) {
            return Err(Fault::Broken("headers are appended at the wrong height"));
        }
        let id = self.branch_above(parent)?;
        let mut held = 0;
        let mut previous = parent.hash;
        for placed in headers {
            if placed.header().previous != previous {
                return Err(Fault::Broken("appended headers do not follow each other"));
            }
            previous = placed.hash();
            last.put(placed.header().version, placed.height());
            let place = Place { branch: id, height: placed.height() };
            if self.by_hash.insert(placed.hash(), place).is_some() {
                return Err(Fault::Broken("an appended header is already held"));
            }
            let seen = self.next_seen;
            self.next_seen = seen.saturating_add(1);
            let Some(branch) = self.branches.get_mut(&id) else { break };
            let known = Known::Placed(placed);
            sums = sums.plus(&known);
            branch.push(known, sums, last, seen);
            held += 1;
        }
        self.make_room(trunk, id)?;
        Ok(held)
    }

    /// What entries on top of a block inherit.
    fn foot(
        &self,
        trunk: &impl Trunk,
        hash: &BlockHash,
    ) -> Result<Option<(Parent, Sums, LastHeights)>, Fault> {
        if let Some(place) = self.by_hash.get(hash) {
            let entry = self.branches.get(&place.branch).and_then(|b| b.at(place.height));
            let entry = entry.ok_or(Fault::Broken("the index names a header that is not there"))?;
            let parent = Parent { hash: *hash, height: place.height };
            let sums = Sums { work: entry.work, backed_work: entry.backed_work };
            return Ok(Some((parent, sums, entry.last)));
        }
        let Some(height) = trunk.height_of(hash)? else { return Ok(None) };
        let work =
            trunk.work_at(height)?.ok_or(Fault::Broken("a connected block has no summed work"))?;
        let parent = Parent { hash: *hash, height };
        Ok(Some((parent, Sums::judged(work), LastHeights::of_trunk(trunk, height)?)))
    }

    /// The branch whose next entry follows `parent`; a new one unless a branch ends there.
    fn branch_above(&mut self, parent: Parent) -> Result<BranchId, Fault> {
        let first =
            parent.height.next().ok_or(Fault::Broken("there is no height above the parent"))?;
        let base = match self.by_hash.get(&parent.hash) {
            Some(place) => {
                let ends_here =
                    self.branches.get(&place.branch).and_then(Branch::top) == Some(parent.height);
                if ends_here {
                    return Ok(place.branch);
                }
                Base::Branch(place.branch)
            }
            None => Base::Trunk,
        };
        let id = self.next_branch;
        self.next_branch = id.checked_add(1).ok_or(Fault::Broken("branch numbers ran out"))?;
        self.branches.insert(id, Branch::new(base, first, self.source));
        Ok(id)
    }

    /// Returns how many more headers the heaviest branch may get ahead of the trunk.
    pub fn room_ahead(&self, trunk: &impl Trunk, parent: &BlockHash) -> usize {
        let height = self.by_hash.get(parent).map_or(Height::GENESIS, |place| place.height);
        let ahead = height.blocks_since(trunk.tip().height);
        self.limits.ahead.saturating_sub(usize::try_from(ahead).unwrap_or(usize::MAX))
    }

    /// Lets ends of side branches go until the limits hold.
    fn make_room(&mut self, trunk: &impl Trunk, newest: BranchId) -> Result<(), Fault> {
        let best = self.best(trunk);
        let best_path: Vec<BranchId> = self
            .path_to(&best.hash)
            .map(|path| path.runs.iter().map(|run| run.0).collect())
            .unwrap_or_default();
        let on_best: usize = best_path
            .iter()
            .filter_map(|id| self.branches.get(id))
            .map(|branch| branch.entries.len())
            .sum();
        loop {
            let beside = self.by_hash.len().saturating_sub(on_best);
            let is_full = beside > self.limits.beside || self.branches.len() > self.limits.branches;
            let Some(id) = self.least_worthy(&best_path, newest, is_full) else { return Ok(()) };
            self.remove_branch(id);
        }
    }

    /// The side branch that goes next: one of a source that has too many that cost nothing; if
    /// everything is full, any. Only ends go: what others build on stays.
    fn least_worthy(
        &self,
        best_path: &[BranchId],
        newest: BranchId,
        is_full: bool,
    ) -> Option<BranchId> {
        let mut free: HashMap<Source, (usize, usize)> = HashMap::new();
        let mut bases = HashSet::new();
        for (id, branch) in &self.branches {
            if let Base::Branch(base) = branch.base {
                bases.insert(base);
            }
            if let Some(source) = branch.source
                && !best_path.contains(id)
                && branch.is_free()
            {
                let (branches, headers) = free.entry(source).or_default();
                *branches += 1; // lengths of collections in memory
                *headers += branch.entries.len();
            }
        }
        let headers_of = |branch: &Branch| {
            let own = branch.source.filter(|_| branch.is_free());
            own.and_then(|source| free.get(&source)).copied().unwrap_or_default()
        };
        let ends = self
            .branches
            .iter()
            .filter(|(id, _)| !best_path.contains(id) && !bases.contains(id))
            .filter(|(_, branch)| {
                let (branches, headers) = headers_of(branch);
                is_full
                    || branches > self.limits.free_branches
                    || headers > self.limits.free_headers
            });
        // The newest branch may go too: then it was the least worthy of all.
        let least = ends.min_by_key(|(id, branch)| {
            let (_, told) = headers_of(branch);
            let work = (branch.backed_work(), branch.end().map(|(_, end)| end.work));
            (!branch.is_free(), Reverse(told), work, **id != newest, Reverse(**id))
        });
        least.map(|(id, _)| *id)
    }

    fn remove_branch(&mut self, id: BranchId) {
        if let Some(branch) = self.branches.remove(&id) {
            for entry in &branch.entries {
                self.by_hash.remove(&entry.known.hash());
            }
        }
    }

    /// Marks a block and all that builds on it as invalid, and forgets their headers. Returns the
    /// hashes that were held.
    pub fn mark_invalid(&mut self, hash: &BlockHash) -> Vec<BlockHash> {
        self.invalid.insert(*hash);
        let Some(place) = self.by_hash.get(hash).copied() else { return vec![*hash] };
        let mut gone = Vec::new();
        let mut cuts = vec![(place.branch, place.height)];
        while let Some((id, from)) = cuts.pop() {
            cuts.extend(self.branches.iter().filter_map(|(child, branch)| {
                // A branch whose parent entry is cut goes as a whole.
                let leaves_above = branch.first > from;
                (branch.base == Base::Branch(id) && leaves_above).then_some((*child, branch.first))
            }));
            let Some(branch) = self.branches.get_mut(&id) else { continue };
            for entry in branch.cut(from) {
                let hash = entry.known.hash();
                self.by_hash.remove(&hash);
                self.invalid.insert(hash);
                gone.push(hash);
            }
            if branch.entries.is_empty() {
                self.branches.remove(&id);
            }
        }
        gone
    }

    /// Remembers that a block is invalid whose header is not held.
    pub fn mark_unheld_invalid(&mut self, hash: BlockHash) {
        self.invalid.insert(hash);
    }

    /// Tells whether a block is known to be invalid.
    pub fn is_invalid(&self, hash: &BlockHash) -> bool {
        self.invalid.contains(hash)
    }

    /// Follows the trunk: blocks above `fork` left it (`undone`, lowest first), then those of `path`
    /// up to and including `top` joined it. `trunk` is the one *after* the change.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read or the change does not fit the index.
    pub fn follow(
        &mut self,
        trunk: &impl Trunk,
        fork: Height,
        undone: Vec<UndoneHeader>,
        path: &Path,
        top: Height,
    ) -> Result<(), Fault> {
        let fits = path.fork == fork || path.runs.is_empty();
        if !fits {
            return Err(Fault::Broken("the chain moved along another branch"));
        }
        self.take_back(trunk, fork, undone)?;
        for (id, first, last) in &path.runs {
            if *first > top {
                break;
            }
            self.connect_run(*id, top.min(*last));
        }
        self.drop_buried(trunk);
        Ok(())
    }

    /// Blocks that left the trunk become a branch; what left the trunk above the fork leaves that
    /// branch now.
    fn take_back(
        &mut self,
        trunk: &impl Trunk,
        fork: Height,
        undone: Vec<UndoneHeader>,
    ) -> Result<(), Fault> {
        if undone.is_empty() {
            return Ok(());
        }
        let none = Fault::Broken("the block at the fork is not on the trunk");
        let mut sums = Sums::judged(trunk.work_at(fork)?.ok_or(none)?);
        let mut last = LastHeights::of_trunk(trunk, fork)?;
        let parent = undone.first().map(|undone| undone.header.previous).unwrap_or_default();
        let none = Fault::Broken("there is no height above the fork");
        let first = fork.next().ok_or(none)?;
        let id = self.next_branch;
        self.next_branch = id.checked_add(1).ok_or(Fault::Broken("branch numbers ran out"))?;
        if trunk.hash_at(fork)? != Some(parent) {
            return Err(Fault::Broken("undone blocks do not follow the fork"));
        }
        let mut branch = Branch::new(Base::Trunk, first, None);
        let mut height = fork;
        for UndoneHeader { header, hash } in undone {
            height = height.next().ok_or(Fault::Broken("heights have 32 bits"))?;
            last.put(header.version, height);
            self.by_hash.insert(hash, Place { branch: id, height });
            let known = Known::Stored { header, hash };
            sums = sums.plus(&known);
            // They were seen before everything that replaced them.
            branch.push(known, sums, last, 0);
        }
        for other in self.branches.values_mut() {
            if other.base == Base::Trunk && other.first > first {
                other.base = Base::Branch(id);
            }
        }
        self.branches.insert(id, branch);
        Ok(())
    }

    /// The lowest entries of a branch, up to a height, joined the trunk.
    fn connect_run(&mut self, id: BranchId, up_to: Height) {
        let Some(branch) = self.branches.get_mut(&id) else { return };
        branch.base = Base::Trunk;
        for entry in branch.pop_up_to(up_to) {
            self.by_hash.remove(&entry.known.hash());
        }
        let is_empty = branch.entries.is_empty();
        if is_empty {
            self.branches.remove(&id);
        }
        for child in self.branches.values_mut() {
            let leaves_below = child.first.value() <= up_to.value().saturating_add(1);
            if child.base == Base::Branch(id) && (is_empty || leaves_below) {
                child.base = Base::Trunk;
            }
        }
    }

    /// Forgets branches that leave the trunk deeper than anything can be undone.
    fn drop_buried(&mut self, trunk: &impl Trunk) {
        let tip = trunk.tip().height;
        loop {
            let buried = self.branches.iter().find_map(|(id, branch)| {
                let fork = branch.first.previous()?;
                let deep = tip.blocks_since(fork) > self.limits.depth;
                (branch.base == Base::Trunk && deep).then_some(*id)
            });
            let Some(id) = buried else { return };
            // What grew on it is as deep.
            let mut doomed = vec![id];
            while let Some(id) = doomed.pop() {
                doomed.extend(
                    self.branches
                        .iter()
                        .filter(|(_, branch)| branch.base == Base::Branch(id))
                        .map(|(child, _)| *child),
                );
                self.remove_branch(id);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self, trunk: &impl Trunk) {
        let mut count = 0;
        for (id, branch) in &self.branches {
            assert!(!branch.entries.is_empty(), "branch {id} is empty");
            for (offset, entry) in branch.entries.iter().enumerate() {
                count += 1;
                let height = Height::new(branch.first.value() + offset as u32);
                let place = self.by_hash.get(&entry.known.hash()).expect("held by hash");
                assert_eq!(*place, Place { branch: *id, height });
                let parent = height.previous().expect("not genesis");
                let below = match branch.at(parent) {
                    Some(below) => below.known.hash(),
                    None => match branch.base {
                        Base::Trunk => trunk.hash_at(parent).unwrap().expect("on the trunk"),
                        Base::Branch(base) => {
                            self.branches[&base].at(parent).expect("the base has it").known.hash()
                        }
                    },
                };
                assert_eq!(entry.known.header().previous, below, "branch {id} at {height}");
            }
        }
        assert_eq!(count, self.by_hash.len());
    }
}

#[cfg(test)]
mod tests;
