//! Tensors that are there twice: a copy, and the older tensor of the same shape and type that it may have been made of.
//!
//! Equal shapes alone prove nothing, since the layers of a model are alike. So one of the two has to come from an operation
//! that does nothing but copy: to another layout, another memory, or as it is.

use std::{cmp::Reverse, collections::HashMap};

use super::{Allocation, Held, Observation};

/// Operations whose result has the values of their input.
const COPIES: [&str; 14] = [
    "clone",
    "copy",
    "identity",
    "interleaved_to_sharded",
    "interleaved_to_sharded_partial",
    "move",
    "reallocate",
    "reshard",
    "sharded_to_interleaved",
    "tilize",
    "to_layout",
    "to_memory_config",
    "untilize",
    "untilize_with_unpadding",
];

/// Copies that are live beside their source, if there are any. Each older tensor is the source of one copy at most.
pub(super) fn redundant<'a>(left: impl IntoIterator<Item = &'a Allocation>) -> Option<Observation> {
    let mut alike: HashMap<_, Vec<&Allocation>> = HashMap::new();
    for one in left {
        if let Some(tensor) = &one.tensor {
            alike.entry((one.device, &tensor.shape, &tensor.dtype)).or_default().push(one);
        }
    }
    let mut copies: Vec<(&Allocation, u64)> = Vec::new();
    for mut all in alike.into_values() {
        all.sort_by_key(|one| (one.at_ns, one.address));
        let mut sources: Vec<&Allocation> = Vec::new();
        for one in all {
            // The youngest: a copy is most often made soon.
            match copying(one).and_then(|_| sources.pop()) {
                Some(source) => copies.push((one, one.size.min(source.size))),
                None => sources.push(one),
            }
        }
    }
    let (largest, _) = *copies.iter().max_by_key(|(one, bytes)| (*bytes, Reverse((one.device, one.at_ns))))?;
    let mut held = Held::default();
    copies.iter().for_each(|&(_, bytes)| held.add(1, bytes));
    Some(Observation::Redundant { held, largest: Box::new(largest.clone()) })
}

/// The operation, if it is one that copies.
fn copying(one: &Allocation) -> Option<&str> {
    let op = one.site.op.as_deref()?;
    let name = op.rsplit(['.', ':']).next()?;
    COPIES.binary_search(&name).is_ok().then_some(op)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ttmem_recording::Tensor;

    use super::*;
    use crate::sites::CallSite;

    fn tensor(at_ns: u64, op: &str, size: u64, shape: [u32; 2]) -> Allocation {
        let tensor = Tensor {
            shape: shape.to_vec(),
            padded_shape: shape.to_vec(),
            dtype: "BFLOAT16".into(),
            layout: "TILE".into(),
            memory_layout: "INTERLEAVED".into(),
            shard_shape: None,
        };
        let site = CallSite { op: Some(op.into()), ..CallSite::default() };
        Allocation { at_ns, size, site: Arc::new(site), tensor: Some(Arc::new(tensor)), ..Allocation::example() }
    }

    fn sum(all: &[Allocation]) -> Option<(u64, u64)> {
        redundant(all).map(|found| match found {
            Observation::Redundant { held, .. } => (held.allocations, held.bytes),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_copy_beside_its_source_is_found_and_equal_layers_are_not() {
        assert!(COPIES.is_sorted());
        let layers = [1, 2, 3].map(|at| tensor(at, "ttnn.from_torch", 2048, [32, 32]));
        assert_eq!(sum(&layers), None);
        let copy = tensor(9, "ttnn.to_layout", 4096, [32, 32]);
        assert_eq!(
            sum(&[&layers[..], std::slice::from_ref(&copy)].concat()),
            Some((1, 2048)),
            "the smaller of the two"
        );
        assert_eq!(sum(&[copy.clone(), tensor(1, "ttnn.empty", 2048, [32, 64])]), None, "another shape");
        assert_eq!(sum(&[tensor(10, "ttnn.empty", 2048, [32, 32]), copy.clone()]), None, "it is older than the copy");
        let cpp = tensor(12, "ttnn::reallocate", 2048, [32, 32]);
        assert_eq!(sum(&[layers[0].clone(), copy, cpp]), Some((1, 2048)), "one source, and two copies");
    }
}
