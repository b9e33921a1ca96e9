//! The parts of tt-metal that the library looks into, and by which of its exported names.
//!
//! A build is accepted by what it exports, not by its version: a part whose names are missing is not seen, and reports say so.

use std::fmt;

/// What the library sees of tt-metal, where a build exports the names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Part {
    /// Buffers of the allocator; without them nothing is tracked.
    Buffers,
    /// Bytes of a buffer in each bank, as the allocator rounds them.
    BytesPerBank,
    /// Circular buffers of programs.
    CircularBuffers,
    /// Dataflow buffers of programs.
    DataflowBuffers,
    /// Scratchpads of kernels.
    Scratchpads,
    /// Shapes and types of tensors.
    Tensors,
    /// The size of each memory.
    Capacity,
    /// Kernel binaries that the program cache holds.
    ProgramBinaries,
    /// Tables that the program cache holds.
    ProgramTables,
    /// Programs that find no room in L1.
    Clashes,
    /// What a device's close releases.
    Close,
    /// Buffers from before tracking began.
    EarlierBuffers,
    /// Addresses of a buffer that differ from core to core.
    PerCoreAddresses,
    /// L1 of persistent arenas, where prefetcher pipes live.
    PersistentL1,
    /// L1 of service cores.
    ServiceCores,
}

impl Part {
    /// All, in the order in which people read them.
    pub const ALL: [Self; 15] = [
        Self::Buffers,
        Self::BytesPerBank,
        Self::CircularBuffers,
        Self::DataflowBuffers,
        Self::Scratchpads,
        Self::Tensors,
        Self::Capacity,
        Self::ProgramBinaries,
        Self::ProgramTables,
        Self::Clashes,
        Self::Close,
        Self::EarlierBuffers,
        Self::PerCoreAddresses,
        Self::PersistentL1,
        Self::ServiceCores,
    ];

    /// Its name, in reports and between the two sides.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buffers => "buffers",
            Self::BytesPerBank => "bytes per bank",
            Self::CircularBuffers => "circular buffers",
            Self::DataflowBuffers => "dataflow buffers",
            Self::Scratchpads => "scratchpads",
            Self::Tensors => "tensors",
            Self::Capacity => "capacity",
            Self::ProgramBinaries => "cached kernel binaries",
            Self::ProgramTables => "cached tables of programs",
            Self::Clashes => "clashes in L1",
            Self::Close => "close of devices",
            Self::EarlierBuffers => "buffers from before tracking began",
            Self::PerCoreAddresses => "addresses on each core",
            Self::PersistentL1 => "persistent L1",
            Self::ServiceCores => "L1 of service cores",
        }
    }

    /// The part of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// The functions that the library stands in for: a build must define them, and call them by name.
    pub const fn hooks(self) -> &'static [&'static str] {
        match self {
            Self::Buffers => &[
                "_ZN2tt8tt_metal13AllocatorImpl15allocate_bufferEPNS0_6BufferE",
                "_ZN2tt8tt_metal13AllocatorImpl17deallocate_bufferEPNS0_6BufferE",
                "_ZN2tt8tt_metal12GraphTracker14track_allocateEPKNS0_6BufferE",
                "_ZN2tt8tt_metal12GraphTracker16track_deallocateEPNS0_6BufferE",
            ],
            Self::CircularBuffers => &[
                "_ZN2tt8tt_metal12GraphTracker17track_allocate_cbERKNS0_12CoreRangeSetEmmbPKNS0_7IDeviceE",
                "_ZN2tt8tt_metal12GraphTracker19track_deallocate_cbEPKNS0_7IDeviceE",
                "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_circular_buffersEPKNS0_7IDeviceE",
                "_ZN2tt8tt_metal6detail11ProgramImpl27deallocate_circular_buffersEv",
            ],
            Self::DataflowBuffers => &[
                "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_dataflow_buffersEPKNS0_7IDeviceE",
                "_ZN2tt8tt_metal6detail11ProgramImpl23CircularBufferAllocator12mark_addressEmmm",
                "_ZN2tt8tt_metal6detail11ProgramImpl31validate_dataflow_buffer_regionEPKNS0_7IDeviceE",
            ],
            Self::Scratchpads => &["_ZN2tt8tt_metal6detail11ProgramImpl20allocate_scratchpadsEPKNS0_7IDeviceE"],
            Self::Tensors => &[
                "_ZN2tt8tt_metal10MeshTensorC1ESt10shared_ptrINS0_11distributed10MeshBufferEENS0_10TensorSpecENS0_14TensorTopologyE",
            ],
            Self::ProgramBinaries => {
                &["_ZN2tt8tt_metal11distributed16MeshWorkloadImpl13load_binariesERNS1_16MeshCommandQueueE"]
            }
            Self::ProgramTables => &["_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv"],
            Self::Clashes => &["_ZN2tt8tt_metal6detail11ProgramImpl31validate_circular_buffer_regionEPKNS0_7IDeviceE"],
            Self::Close => &[
                "_ZN2tt8tt_metal13AllocatorImpl18deallocate_buffersEv",
                "_ZN2tt8tt_metal11distributed14MeshDeviceImpl10close_implEPNS1_10MeshDeviceE",
                "_ZN2tt8tt_metal6Device5closeEv",
            ],
            Self::PersistentL1 => &[
                "_ZN2tt8tt_metal17PersistentL1Arena8allocateERKNS0_12CoreRangeSetEmm",
                "_ZN2tt8tt_metal17PersistentL1Arena10deallocateEm",
                "_ZN2tt8tt_metal17PersistentL1ArenaD1Ev",
            ],
            Self::ServiceCores => &[
                "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl11allocate_l1EPNS0_7IDeviceENS_7xy_pairEm",
                "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl13deallocate_l1EPNS0_7IDeviceENS_7xy_pairEm",
                "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl7releaseEPNS0_7IDeviceERKSt6vectorINS_7xy_pairESaIS6_EE",
            ],
            Self::BytesPerBank | Self::Capacity | Self::EarlierBuffers | Self::PerCoreAddresses => &[],
        }
    }

    /// What the library asks of tt-metal's objects: a build must define it.
    pub const fn getters(self) -> &'static [&'static str] {
        match self {
            Self::Buffers => &[
                "_ZNK2tt8tt_metal6Buffer7addressEv",
                "_ZNK2tt8tt_metal11distributed10MeshDevice2idEv",
                "_ZNK2tt8tt_metal11distributed10MeshDevice14get_device_idsEv",
                "_ZTVN2tt8tt_metal11distributed10MeshDeviceE",
                "_ZTVN2tt8tt_metal6DeviceE",
            ],
            Self::BytesPerBank => &[
                "_ZNK2tt8tt_metal6Buffer21aligned_size_per_bankEv",
                "_ZNK2tt8tt_metal13AllocatorImpl13get_alignmentENS0_10BufferTypeE",
            ],
            Self::CircularBuffers => {
                &["_ZNK2tt8tt_metal12CoreRangeSet9num_coresEv", "_ZNK2tt8tt_metal12CoreRangeSet6rangesEv"]
            }
            Self::DataflowBuffers => &["_ZNK2tt8tt_metal6detail11ProgramImpl16dataflow_buffersEv"],
            Self::Tensors => &[
                "_ZNK2tt8tt_metal10MeshTensor11mesh_bufferEv",
                "_ZNK2tt8tt_metal11distributed10MeshBuffer18get_backing_bufferEv",
                "_ZNK2tt8tt_metal10MeshTensor13logical_shapeEv",
                "_ZNK2tt8tt_metal10MeshTensor12padded_shapeEv",
                "_ZNK2tt8tt_metal5Shape4rankEv",
                "_ZNK2tt8tt_metal10MeshTensor5dtypeEv",
                "_ZNK2tt8tt_metal10MeshTensor6layoutEv",
                "_ZNK2tt8tt_metal10MeshTensor13memory_configEv",
                "_ZNK2tt8tt_metal12MemoryConfig13memory_layoutEv",
                "_ZNK2tt8tt_metal12MemoryConfig10shard_specEv",
            ],
            Self::Capacity => &[
                "_ZNK2tt8tt_metal13AllocatorImpl13get_bank_sizeERKNS0_10BufferTypeE",
                "_ZNK2tt8tt_metal13AllocatorImpl13get_num_banksERKNS0_10BufferTypeE",
                "_ZNK2tt8tt_metal13AllocatorImpl23get_base_allocator_addrERKNS0_10HalMemTypeE",
            ],
            Self::EarlierBuffers => {
                &["_ZNK2tt8tt_metal13AllocatorImpl21get_allocated_buffersEv", "_ZNK2tt8tt_metal6Buffer12is_allocatedEv"]
            }
            Self::PerCoreAddresses => &[
                "_ZN2tt8tt_metal12experimental19per_core_allocation22is_per_core_allocationERKNS0_6BufferE",
                "_ZN2tt8tt_metal12experimental19per_core_allocation22get_per_core_addressesERKNS0_6BufferE",
            ],
            Self::Scratchpads
            | Self::ProgramBinaries
            | Self::ProgramTables
            | Self::Clashes
            | Self::Close
            | Self::PersistentL1
            | Self::ServiceCores => &[],
        }
    }

    /// Getters of a buffer of which a build has either all of one list or all of the other: without the first, the fields are
    /// read, and compared with the second.
    pub const BUFFER_GETTERS: [&[&str]; 2] = [
        &[
            "_ZNK2tt8tt_metal6Buffer4sizeEv",
            "_ZNK2tt8tt_metal6Buffer11buffer_typeEv",
            "_ZNK2tt8tt_metal6Buffer6deviceEv",
            "_ZNK2tt8tt_metal6Buffer9unique_idEv",
        ],
        &[
            "_ZNK2tt8tt_metal6Buffer9page_sizeEv",
            "_ZNK2tt8tt_metal6Buffer9num_pagesEv",
            "_ZNK2tt8tt_metal6Buffer5is_l1Ev",
            "_ZNK2tt8tt_metal6Buffer7is_dramEv",
            "_ZNK2tt8tt_metal6Buffer8is_traceEv",
        ],
    ];

    /// Whether some of its names do some of the work; of the others all are needed.
    pub const fn can_be_seen_in_part(self) -> bool {
        matches!(self, Self::BytesPerBank | Self::CircularBuffers | Self::Close | Self::ServiceCores)
    }

    /// Whether a build with these names missing has the part all the same, and hides it. Some parts came with later builds.
    pub fn is_there_without(self, missing: &[&str]) -> bool {
        let is_of_all = !matches!(
            self,
            Self::DataflowBuffers
                | Self::Scratchpads
                | Self::PerCoreAddresses
                | Self::PersistentL1
                | Self::ServiceCores
        );
        // Circular buffers are placed by it too.
        let is_sign = |name: &&str| !missing.contains(name) && !name.contains("12mark_address");
        is_of_all || self.hooks().iter().chain(self.getters()).any(is_sign)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
