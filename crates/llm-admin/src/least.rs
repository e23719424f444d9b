//! The first few of many in order, without sorting all of them: a page of a million keys.

use std::collections::BinaryHeap;

/// The least of what is offered.
#[derive(Debug)]
pub(crate) struct Least<T> {
    most: usize,
    heap: BinaryHeap<T>,
}

impl<T: Ord> Least<T> {
    /// So many.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, heap: BinaryHeap::with_capacity(most + 1) }
    }

    pub(crate) fn offer(&mut self, item: T) {
        if self.heap.len() < self.most {
            self.heap.push(item);
        } else if let Some(mut last) = self.heap.peek_mut()
            && item < *last
        {
            *last = item;
        }
    }

    pub(crate) fn sorted(self) -> Vec<T> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_are_kept_in_order() {
        let mut least = Least::new(3);
        [5, 9, 1, 7, 3, 2, 8].into_iter().for_each(|item| least.offer(item));
        assert_eq!(least.sorted(), [1, 2, 3]);
    }
}
