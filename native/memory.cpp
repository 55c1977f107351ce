// How much memory tensors take on the CPU, counted at libtorch's allocator: exact, and blind to what the rest of the process does.
#include "longtake_torch.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <atomic>
#include <cstring>

namespace {

std::atomic<int64_t> used{0}, peak{0};
c10::Allocator* inner = nullptr;
constexpr size_t before = 64;  // bytes in front of what is given out: its size; as many as keep it aligned

// Libtorch wants memory known by its own address (raw_allocate), so nothing but that address leads back to the size.
void release(void* data) {
  void* whole = static_cast<char*>(data) - before;
  used -= *static_cast<int64_t*>(whole);
  inner->raw_deallocate(whole);
}

// Libtorch changed whether allocate is const, and later asks for copy_data: all forms are here, the one that is asked for overrides.
struct Counting final : c10::Allocator {
  c10::DataPtr take(size_t bytes) const {
    void* whole = inner->raw_allocate(bytes + before);
    *static_cast<int64_t*>(whole) = static_cast<int64_t>(bytes);
    const int64_t now = used += static_cast<int64_t>(bytes);
    int64_t most = peak.load();
    while (now > most && !peak.compare_exchange_weak(most, now)) {}
    void* data = static_cast<char*>(whole) + before;
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
  c10::DataPtr allocate(size_t bytes) const { return take(bytes); }
  c10::DataPtr allocate(size_t bytes) { return take(bytes); }
  c10::DeleterFnPtr raw_deleter() const { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const { std::memcpy(to, from, bytes); }
};

}  // namespace

int32_t lt_cpu_memory(int32_t restart, int64_t* now, int64_t* most) {
  return lt_guard([&] {
    static const bool installed = [] {
      inner = c10::GetCPUAllocator();
      c10::SetCPUAllocator(new Counting, 100);  // for the life of the process: tensors outlive everything else
      return true;
    }();
    (void)installed;
    *now = used;
    *most = peak;
    if (restart) peak = used.load();
  });
}
