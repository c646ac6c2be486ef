//! The items that scripts work on.

use std::borrow::Cow;

use mvs_primitives::script::{Opcode, parse_script_number, script_number};

use super::error::ScriptError;

/// Bytes of a number, but for the operands of the two lock operations.
const NUMBER_BYTES: usize = 4;

/// One item: a part of a script that was pushed, or the result of an operation.
pub(super) type Item<'s> = Cow<'s, [u8]>;

/// The main stack. The last item is the top.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack<'s> {
    items: Vec<Item<'s>>,
}

/// Tells whether an item counts as true: any byte is not zero, the sign of a zero left aside.
pub(super) fn is_true(item: &[u8]) -> bool {
    match item.split_last() {
        Some((top, low)) => *top & 0x7f != 0 || low.iter().any(|byte| *byte != 0),
        None => false,
    }
}

/// Reads a number of at most `max` bytes, which need not be in its shortest form.
pub(super) fn number(item: &[u8], max: usize) -> Result<i64, ScriptError> {
    parse_script_number(item, max, false)
        .map_err(|_| ScriptError::NumberSize { found: item.len(), max })
}

impl<'s> Stack<'s> {
    pub(super) fn with_capacity(items: usize) -> Self {
        Self { items: Vec::with_capacity(items) }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn push(&mut self, item: Item<'s>) {
        self.items.push(item);
    }

    pub(super) fn push_number(&mut self, value: i64) {
        self.items.push(Cow::Owned(script_number(value)));
    }

    pub(super) fn push_bool(&mut self, value: bool) {
        self.items.push(Cow::Borrowed(if value { &[1] } else { &[] }));
    }

    /// Fails unless there are at least `count` items.
    pub(super) fn need(&self, opcode: Opcode, count: usize) -> Result<(), ScriptError> {
        if self.items.len() < count {
            return Err(ScriptError::StackUnderflow { opcode });
        }
        Ok(())
    }

    /// Turns a distance from the top, 0 for the top itself, into an index.
    fn index(&self, opcode: Opcode, depth: usize) -> Result<usize, ScriptError> {
        let above = depth.checked_add(1).ok_or(ScriptError::StackUnderflow { opcode })?;
        self.items.len().checked_sub(above).ok_or(ScriptError::StackUnderflow { opcode })
    }

    pub(super) fn last(&self) -> Option<&Item<'s>> {
        self.items.last()
    }

    pub(super) fn pop_last(&mut self) -> Option<Item<'s>> {
        self.items.pop()
    }

    pub(super) fn pop(&mut self, opcode: Opcode) -> Result<Item<'s>, ScriptError> {
        self.items.pop().ok_or(ScriptError::StackUnderflow { opcode })
    }

    pub(super) fn pop_number(&mut self, opcode: Opcode) -> Result<i64, ScriptError> {
        number(&self.pop(opcode)?, NUMBER_BYTES)
    }

    /// Returns the item at a distance from the top.
    pub(super) fn peek(&self, opcode: Opcode, depth: usize) -> Result<&Item<'s>, ScriptError> {
        let index = self.index(opcode, depth)?;
        self.items.get(index).ok_or(ScriptError::StackUnderflow { opcode })
    }

    pub(super) fn peek_number(&self, opcode: Opcode, depth: usize) -> Result<i64, ScriptError> {
        number(self.peek(opcode, depth)?, NUMBER_BYTES)
    }

    /// Pushes a copy of the item at a distance from the top.
    pub(super) fn copy(&mut self, opcode: Opcode, depth: usize) -> Result<(), ScriptError> {
        let item = self.peek(opcode, depth)?.clone();
        self.items.push(item);
        Ok(())
    }

    /// Takes out the item at a distance from the top.
    pub(super) fn remove(&mut self, opcode: Opcode, depth: usize) -> Result<Item<'s>, ScriptError> {
        let index = self.index(opcode, depth)?;
        Ok(self.items.remove(index))
    }

    /// Moves the item at a distance from the top to the top.
    pub(super) fn raise(&mut self, opcode: Opcode, depth: usize) -> Result<(), ScriptError> {
        let item = self.remove(opcode, depth)?;
        self.items.push(item);
        Ok(())
    }

    /// Puts a copy of the top below the second item.
    pub(super) fn tuck(&mut self, opcode: Opcode) -> Result<(), ScriptError> {
        let below = self.index(opcode, 1)?;
        let top = self.peek(opcode, 0)?.clone();
        self.items.insert(below, top);
        Ok(())
    }

    /// Drops items from the top.
    pub(super) fn drop_top(&mut self, opcode: Opcode, count: usize) -> Result<(), ScriptError> {
        self.need(opcode, count)?;
        self.items.truncate(self.items.len() - count); // checked by the line above
        Ok(())
    }
}
