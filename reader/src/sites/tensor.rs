//! What a tensor is, in words.

use std::{fmt, sync::Arc};

use ttmem_recording::Tensor;
use ttmem_wire::sites::TensorRecord;

/// tt-metal's `DataType`: its names, and short ones for a line.
const DTYPES: [(&str, &str); 10] = [
    ("BFLOAT16", "bf16"),
    ("FLOAT32", "f32"),
    ("UINT32", "u32"),
    ("BFLOAT8_B", "bfp8"),
    ("BFLOAT4_B", "bfp4"),
    ("UINT8", "u8"),
    ("UINT16", "u16"),
    ("INT32", "i32"),
    ("FP8_E4M3", "fp8"),
    ("INT8", "i8"),
];
/// `Layout`.
const LAYOUTS: [&str; 2] = ["ROW_MAJOR", "TILE"];
/// `TensorMemoryLayout`.
const MEMORY_LAYOUTS: [&str; 6] =
    ["INTERLEAVED", "SINGLE_BANK", "HEIGHT_SHARDED", "WIDTH_SHARDED", "BLOCK_SHARDED", "ND_SHARDED"];

/// Names the numbers of a record; one that has no name stays a number.
pub(super) fn tensor(record: &TensorRecord) -> Tensor {
    let name = |names: &[&str], number: u8| -> Arc<str> {
        names.get(usize::from(number)).map_or_else(|| number.to_string().into(), |&name| name.into())
    };
    Tensor {
        shape: record.shape().to_vec(),
        padded_shape: record.padded_shape().to_vec(),
        dtype: name(&DTYPES.map(|(name, _)| name), record.dtype),
        layout: name(&LAYOUTS, record.layout),
        memory_layout: name(&MEMORY_LAYOUTS, record.memory_layout),
        shard_shape: record.shard,
    }
}

/// The number of a `TensorMemoryLayout`.
pub(crate) fn memory_layout_number(name: &str) -> Option<u8> {
    MEMORY_LAYOUTS.iter().zip(0..).find(|(known, _)| **known == name).map(|(_, number)| number)
}

/// `bf16 [1, 1, 1024, 1024] TILE, interleaved`, or `f32 [3, 40] TILE (padded to [32, 64]), height sharded by [32, 64]`.
pub(crate) struct TensorText<'a>(pub(crate) &'a Tensor);

impl fmt::Display for TensorText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tensor { shape, padded_shape, dtype, layout, memory_layout, shard_shape } = self.0;
        write!(f, "{} {shape:?} {layout}", short_dtype(dtype))?;
        if let Some(padding) = padding(self.0).filter(|&padding| padding > WORTH_TELLING) {
            write!(f, " (padded to {padded_shape:?}: {:.0} % is padding)", padding * 100.0)?;
        }
        write!(f, ", {}", memory_layout.to_lowercase().replace('_', " "))?;
        shard_shape.map_or(Ok(()), |shard| write!(f, " by {shard:?}"))
    }
}

/// The name of a data type in a line.
pub(crate) fn short_dtype(dtype: &str) -> &str {
    DTYPES.iter().find(|(name, _)| *name == dtype).map_or(dtype, |(_, short)| short)
}

/// A larger part than this is shown.
const WORTH_TELLING: f64 = 0.25;

/// The part of the memory that is padding; `None` where the shapes do not tell.
fn padding(tensor: &Tensor) -> Option<f64> {
    let volume = |shape: &[u32]| shape.iter().map(|&side| f64::from(side)).product::<f64>();
    let (logical, padded) = (volume(&tensor.shape), volume(&tensor.padded_shape));
    (padded > 0.0 && logical <= padded).then(|| 1.0 - logical / padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_one_line() {
        let mut record = TensorRecord::default();
        record.layout = 1;
        let square = record.with_shapes(&[1, 1024, 1024], &[1, 1024, 1024]);
        assert_eq!(TensorText(&tensor(&square)).to_string(), "bf16 [1, 1024, 1024] TILE, interleaved");
        let mut sharded = record.with_shapes(&[3, 40], &[32, 64]);
        (sharded.dtype, sharded.memory_layout, sharded.shard) = (1, 2, Some([32, 64]));
        let text = "f32 [3, 40] TILE (padded to [32, 64]: 94 % is padding), height sharded by [32, 64]";
        assert_eq!(TensorText(&tensor(&sharded)).to_string(), text);
        let mut newer = record.with_shapes(&[], &[]);
        (newer.dtype, newer.layout) = (77, 9);
        assert_eq!(TensorText(&tensor(&newer)).to_string(), "77 [] 9, interleaved");
    }
}
