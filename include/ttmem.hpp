// ttmem for C++17: regions and buffers that end with their scope. Header-only, over ttmem.h; link with -lttmem, or preload it.
//
// Define TTMEM_OPTIONAL before this header in a program that shall also link and run without the library. Every call then does
// nothing where the library is absent. Compile such a program as position-independent code, and do not link the library.

#ifndef TTMEM_HPP
#define TTMEM_HPP

#ifdef TTMEM_OPTIONAL
#pragma weak report_allocation
#pragma weak report_deallocation
#pragma weak ttmem_mark
#pragma weak ttmem_region_begin
#pragma weak ttmem_region_begin_apart
#pragma weak ttmem_region_end
#endif

#include <ttmem.h>

#include <cstdint>
#include <string>
#include <utility>

namespace ttmem {

// The memories of a device, with the values of tt-metal.
enum class memory : std::uint8_t { dram = 0, l1 = 1, system = 2, l1_small = 3, trace = 4 };

// Whether the library is in this process. It takes events if ttmem_enabled() returns true.
inline bool is_present() noexcept {
#ifdef TTMEM_OPTIONAL
  return ttmem_region_end != nullptr;
#else
  return true;
#endif
}

// Notes a moment under a name.
inline void mark(const char* name) noexcept {
  if (is_present()) ttmem_mark(name);
}
inline void mark(const std::string& name) noexcept { mark(name.c_str()); }

// A region of the program, from its construction to its destruction: reports show what was allocated, freed and left behind in
// it, by any thread, and its peak. Moved, never copied; the one that was moved from ends nothing.
class region {
 public:
  explicit region(const char* name) noexcept : number_(is_present() ? ttmem_region_begin(name) : 0) {}
  explicit region(const std::string& name) noexcept : region(name.c_str()) {}

  // A region whose allocations count for it alone, and not for those around it.
  static region apart(const char* name) noexcept {
    return region(is_present() ? ttmem_region_begin_apart(name) : std::uint64_t{0});
  }
  static region apart(const std::string& name) noexcept { return apart(name.c_str()); }

  region(region&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
  region& operator=(region&& other) noexcept {
    if (this != &other) {
      end();
      number_ = std::exchange(other.number_, 0);
    }
    return *this;
  }
  region(const region&) = delete;
  region& operator=(const region&) = delete;
  ~region() { end(); }

  // Ends it before its scope does.
  void end() noexcept {
    const std::uint64_t number = std::exchange(number_, 0);
    if (number != 0) ttmem_region_end(number);
  }

 private:
  explicit region(std::uint64_t number) noexcept : number_(number) {}

  std::uint64_t number_;
};

// The report of a buffer, from its construction to its destruction: keep it beside what it reports. Moved, never copied; the one
// that was moved from reports nothing.
class buffer {
 public:
  // Reports nothing.
  buffer() noexcept = default;

  // `address` is where the buffer is on the device, or any number that names it.
  buffer(std::int32_t device, memory where, std::uint64_t address, std::uint64_t bytes) noexcept
      : address_(address), device_(device), is_owner_(is_present()) {
    if (is_owner_) report_allocation(device, bytes, static_cast<std::uint8_t>(where), address);
  }

  buffer(buffer&& other) noexcept
      : address_(other.address_), device_(other.device_), is_owner_(std::exchange(other.is_owner_, false)) {}
  buffer& operator=(buffer&& other) noexcept {
    if (this != &other) {
      release();
      address_ = other.address_;
      device_ = other.device_;
      is_owner_ = std::exchange(other.is_owner_, false);
    }
    return *this;
  }
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;
  ~buffer() { release(); }

  // Reports that its owner freed it, before its scope ends.
  void release() noexcept {
    if (std::exchange(is_owner_, false)) report_deallocation(device_, address_);
  }

  std::int32_t device() const noexcept { return device_; }
  std::uint64_t address() const noexcept { return address_; }

 private:
  std::uint64_t address_ = 0;
  std::int32_t device_ = 0;
  bool is_owner_ = false;
};

}  // namespace ttmem

#endif  // TTMEM_HPP
