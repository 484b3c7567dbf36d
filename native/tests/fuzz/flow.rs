//! The flow: states as a damaged checkpoint may hold them, submissions of any heights.

use super::{fuzz, hostile, index};
use perigee_native::flow::{append, place, root};
use perigee_native::frontier::Frontier;
use perigee_native::merkle::Subtree;

const MOST: u128 = 1 << 63;

#[test]
fn any_submission_finds_its_place_in_any_flow_or_changes_nothing() {
    fuzz("flow", |numbers| {
        let length = if numbers.below(2) == 0 { numbers.below(5000) } else { hostile(numbers) };
        let wrong = numbers.below(16) == 0;
        let count = length.count_ones() as usize + usize::from(wrong);
        let state = Frontier::new(length, &numbers.hashes(count));
        assert_eq!(state.is_ok(), !wrong && u128::from(length) <= MOST);
        let Ok(mut flow) = state else { return };
        assert_eq!(root(&flow).is_ok(), length > 0);
        let before = flow.clone();
        let mut heights: Vec<u8> = (0..numbers.below(5)).map(|_| (hostile(numbers) % 70) as u8).collect();
        if numbers.below(2) == 0 {
            heights.sort_by(|one, other| other.cmp(one));
            heights.dedup();
        }
        let more = index(numbers, 40) / 39;
        let roots = numbers.hashes(heights.len() + more);
        let placed = place(length, &heights);
        let appended = append(&mut flow, &heights, &roots);
        if length > 0 && heights.len() == roots.len() {
            assert_eq!(appended, placed);
        }
        let Ok(placement) = appended else { return assert_eq!(flow, before) };
        assert!(heights.iter().all(|height| *height < 64) && heights.is_sorted_by(|one, other| one > other));
        let sectors: u128 = heights.iter().map(|height| 1 << height).sum();
        let (start, end) = (u128::from(placement.start), u128::from(placement.start) + sectors);
        assert_eq!((end, placement.length), (u128::from(flow.length()), flow.length()));
        assert!(start >= u128::from(length) && end <= MOST);
        assert_eq!(start % (1 << heights[0]), 0);
        assert!(
            start.is_multiple_of(1024) || start / 1024 == (end - 1) / 1024,
            "it begins inside a segment and ends in another"
        );
        assert_eq!(flow.roots().len(), flow.length().count_ones() as usize);
        assert!(root(&flow).is_ok());
        assert_eq!(Frontier::new(flow.length(), flow.roots()), Ok(flow));
    });
}

#[test]
fn a_subtree_of_any_height_is_appended_where_it_is_aligned_or_refused() {
    fuzz("frontier", |numbers| {
        let mut frontier = Frontier::default();
        for _ in 0..2 {
            let before = frontier.clone();
            let height = hostile(numbers) as u32 % 70;
            let length = u128::from(before.length());
            let fits = height < 64 && length.is_multiple_of(1 << height) && length + (1 << height) <= MOST;
            let pushed = frontier.push(Subtree { root: [height as u8; 32], height });
            assert_eq!(pushed.is_ok(), fits);
            if fits {
                assert_eq!(u128::from(frontier.length()), length + (1 << height));
            } else {
                assert_eq!(frontier, before);
            }
            let to = hostile(numbers);
            let padded = frontier.pad_to(to);
            assert!(padded.is_ok() || u128::from(to) > MOST);
            assert!(padded.is_err() || frontier.length() >= to);
            assert_eq!(frontier.roots().len(), frontier.length().count_ones() as usize);
        }
    });
}
