# find_package(ttmem) gives the target ttmem::ttmem. It lies in <prefix>/lib/cmake/ttmem, wherever the prefix is moved to.
get_filename_component(_ttmem_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET ttmem::ttmem)
  add_library(ttmem::ttmem SHARED IMPORTED)
  set_target_properties(ttmem::ttmem PROPERTIES
    IMPORTED_LOCATION "${_ttmem_prefix}/lib/libttmem.so"
    IMPORTED_SONAME libttmem.so
    INTERFACE_INCLUDE_DIRECTORIES "${_ttmem_prefix}/include")
endif()
unset(_ttmem_prefix)
