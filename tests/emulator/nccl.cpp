#include <fulmen/kernels/dtype.h>
#include <fulmen/tensor/cuda/nccl.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "check.h"
#include "libraries.h"
#include "runtime.h"

// libnccl for the devices of one process, served by one thread: all ranks of a call come in one group. Sums are taken
// in the order of the ranks. What ranks do not agree about, and what would hang or go wrong unseen in the real one, is
// an error that says so (ncclGetLastError).
namespace nccl = fulmen::cuda::nccl;

namespace emulator {
struct NcclWorld;
}
struct nccl::CommOpaque {
  std::shared_ptr<emulator::NcclWorld> world;
  size_t rank = 0;
};

namespace emulator {

enum class NcclKind { all_reduce, reduce, broadcast, all_gather, reduce_scatter };
constexpr const char* nccl_names[] = {"ncclAllReduce", "ncclReduce", "ncclBroadcast", "ncclAllGather",
                                      "ncclReduceScatter"};

/// One rank's part of a collective.
struct NcclCall {
  NcclKind kind;
  const void* send;
  void* recv;
  size_t count;
  nccl::DataType type;
  nccl::RedOp op;
  int root;
  cudaStream_t stream;

  const char* name() const { return nccl_names[static_cast<size_t>(kind)]; }
};

/// The ranks that ncclCommInitAll made together.
struct NcclWorld {
  std::vector<int> devices;
  std::vector<std::vector<NcclCall>> calls;  ///< of each rank, in the group that is open
  size_t size() const { return devices.size(); }
};

namespace {

using World = NcclWorld;
using Call = NcclCall;
using Kind = NcclKind;

thread_local int depth = 0;
thread_local std::vector<std::shared_ptr<World>> worlds;  ///< with calls in the open group
thread_local std::string last_error;
thread_local nccl::Result group_result = nccl::success;

[[gnu::format(printf, 2, 3)]] nccl::Result refuse(nccl::Result result, const char* format, ...) {
  char text[300];
  va_list parts;
  va_start(parts, format);
  std::vsnprintf(text, sizeof text, format, parts);
  va_end(parts);
  last_error = text;
  return group_result = result;
}

size_t bytes_of(nccl::DataType type) {
  constexpr size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return sizes[type];
}

// --- what one rank may ask for

size_t sent(const Call& call, size_t ranks, size_t rank) {
  if (call.kind == Kind::broadcast && rank != static_cast<size_t>(call.root)) return 0;
  return call.count * bytes_of(call.type) * (call.kind == Kind::reduce_scatter ? ranks : 1);
}
size_t received(const Call& call, size_t ranks, size_t rank) {
  if (call.kind == Kind::reduce && rank != static_cast<size_t>(call.root)) return 0;
  return call.count * bytes_of(call.type) * (call.kind == Kind::all_gather ? ranks : 1);
}

/// Both buffers apart, or in place as NCCL defines it.
bool well_placed(const Call& call, size_t ranks, size_t rank) {
  const auto from = reinterpret_cast<uintptr_t>(call.send), to = reinterpret_cast<uintptr_t>(call.recv);
  const size_t out = sent(call, ranks, rank), in = received(call, ranks, rank);
  const size_t part = rank * call.count * bytes_of(call.type);
  if (out == 0 || in == 0 || from + out <= to || to + in <= from) return true;
  if (call.kind == Kind::all_gather) return from == to + part;
  if (call.kind == Kind::reduce_scatter) return to == from + part;
  return from == to;
}

nccl::Result check(const World& world, size_t rank, const Call& call) {
  const int device = world.devices[rank];
  if (call.type < 0 || call.type > nccl::type_bfloat16 || call.op < 0 || call.op > nccl::op_avg || call.root < 0 ||
      static_cast<size_t>(call.root) >= world.size()) {
    return refuse(nccl::invalid_argument, "%s: data type %d, operation %d or root %d does not exist", call.name(),
                  call.type, call.op, call.root);
  }
  if (!valid_stream(call.stream) || device_of(call.stream) != device) {
    return refuse(nccl::invalid_argument, "%s: the stream of rank %zu is none of device %d", call.name(), rank, device);
  }
  if (is_recording(call.stream)) {
    return refuse(nccl::invalid_usage, "%s: the emulator records no collectives in graphs", call.name());
  }
  const size_t out = sent(call, world.size(), rank), in = received(call, world.size(), rank);
  if ((out > 0 && !in_memory_of(device, call.send, out)) || (in > 0 && !in_memory_of(device, call.recv, in))) {
    return refuse(nccl::invalid_argument,
                  "%s: rank %zu sends %zu bytes at %p and receives %zu at %p: not memory of device %d", call.name(),
                  rank, out, call.send, in, static_cast<const void*>(call.recv), device);
  }
  if (!well_placed(call, world.size(), rank)) {
    return refuse(nccl::invalid_argument, "%s: the buffers of rank %zu overlap", call.name(), rank);
  }
  return nccl::success;
}

// --- what the ranks do together

template <class T>
T combined(T a, T b, nccl::RedOp op) {
  switch (op) {
    case nccl::op_prod:
      return static_cast<T>(a * b);
    case nccl::op_max:
      return b > a ? b : a;
    case nccl::op_min:
      return b < a ? b : a;
    default:
      return static_cast<T>(a + b);
  }
}

/// Element by element over all ranks, rounded after every step, as a chain of devices does it.
template <class T>
void reduce(const std::vector<Call>& calls, std::vector<char>& bytes, size_t count) {
  bytes.resize(count * sizeof(T));
  auto* to = reinterpret_cast<T*>(bytes.data());
  std::memcpy(bytes.data(), calls[0].send, bytes.size());
  for (size_t rank = 1; rank < calls.size(); ++rank) {
    const auto* from = static_cast<const T*>(calls[rank].send);
    for (size_t i = 0; i < count; ++i) to[i] = combined<T>(to[i], from[i], calls[0].op);
  }
  if (calls[0].op != nccl::op_avg) return;
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<T>(to[i] / static_cast<T>(calls.size()));
}

std::vector<char> reduced(const std::vector<Call>& calls) {
  std::vector<char> bytes;
  const size_t count = calls[0].count * (calls[0].kind == Kind::reduce_scatter ? calls.size() : 1);
  constexpr void (*by_type[])(const std::vector<Call>&, std::vector<char>&, size_t) = {
      reduce<int8_t>,   reduce<uint8_t>,      reduce<int32_t>, reduce<uint32_t>, reduce<int64_t>,
      reduce<uint64_t>, reduce<fulmen::Half>, reduce<float>,   reduce<double>,   reduce<fulmen::BFloat16>};
  by_type[calls[0].type](calls, bytes, count);
  return bytes;
}

void run(const std::vector<Call>& calls) {
  const Call& first = calls[0];
  const size_t part = first.count * bytes_of(first.type);
  std::vector<char> bytes;
  if (first.kind == Kind::broadcast) {
    const auto* from = static_cast<const char*>(calls[static_cast<size_t>(first.root)].send);
    bytes.assign(from, from + part);
  } else if (first.kind == Kind::all_gather) {
    for (const Call& call : calls) {
      const auto* from = static_cast<const char*>(call.send);
      bytes.insert(bytes.end(), from, from + part);
    }
  } else {
    bytes = reduced(calls);
  }
  for (size_t rank = 0; rank < calls.size(); ++rank) {
    const size_t in = received(calls[rank], calls.size(), rank);
    const size_t offset = first.kind == Kind::reduce_scatter ? rank * part : 0;
    if (in == 0) continue;
    std::memcpy(calls[rank].recv, bytes.data() + offset, in);
    note_initialized(calls[rank].recv, nullptr, in);
  }
}

nccl::Result check_agreement(const std::vector<Call>& calls) {
  const Call& first = calls[0];
  for (size_t rank = 1; rank < calls.size(); ++rank) {
    const Call& other = calls[rank];
    if (other.kind != first.kind) {
      return refuse(nccl::invalid_usage, "rank 0 calls %s, and rank %zu %s", first.name(), rank, other.name());
    }
    if (other.count != first.count || other.type != first.type || other.op != first.op || other.root != first.root) {
      return refuse(nccl::invalid_usage,
                    "%s: rank 0 has count %zu, type %d, operation %d, root %d; rank %zu has %zu, %d, %d, %d",
                    first.name(), first.count, first.type, first.op, first.root, rank, other.count, other.type,
                    other.op, other.root);
    }
  }
  return nccl::success;
}

nccl::Result run_group(World& world) {
  std::vector<std::vector<Call>> calls(world.size());
  calls.swap(world.calls);
  for (size_t rank = 1; rank < world.size(); ++rank) {
    if (calls[rank].size() == calls[0].size()) continue;
    return refuse(nccl::invalid_usage,
                  "rank 0 has %zu calls in this group, and rank %zu has %zu: they would wait for ever", calls[0].size(),
                  rank, calls[rank].size());
  }
  for (size_t i = 0; i < calls[0].size(); ++i) {
    std::vector<Call> together;
    std::vector<cudaStream_t> streams;
    for (const auto& of_rank : calls) {
      together.push_back(of_rank[i]);
      streams.push_back(of_rank[i].stream);
    }
    if (nccl::Result result = check_agreement(together)) return result;
    enqueue_across(streams, [together] { run(together); });
  }
  return nccl::success;
}

nccl::Result add(nccl::Comm comm, const Call& call) {
  const std::lock_guard lock(runtime_mutex());
  if (comm == nullptr) return refuse(nccl::invalid_argument, "%s: no communicator", call.name());
  World& world = *comm->world;
  if (nccl::Result result = check(world, comm->rank, call)) return result;
  if (depth == 0 && world.size() > 1) {
    return refuse(nccl::invalid_usage,
                  "%s of rank %zu stands outside of a group: this thread would wait for the other ranks", call.name(),
                  comm->rank);
  }
  world.calls[comm->rank].push_back(call);
  if (depth == 0) return run_group(world);
  if (std::find(worlds.begin(), worlds.end(), comm->world) == worlds.end()) worlds.push_back(comm->world);
  return nccl::success;
}

// --- the library's functions

const char* error_string(nccl::Result result) {
  constexpr const char* texts[] = {"no error",       "unhandled cuda error", "unhandled system error",
                                   "internal error", "invalid argument",     "invalid usage"};
  return result >= 0 && result <= nccl::invalid_usage ? texts[result] : "unknown result code";
}
const char* get_last_error(nccl::Comm) { return last_error.c_str(); }

nccl::Result init_all(nccl::Comm* comms, int count, const int* devices) {
  if (comms == nullptr || count < 1) return refuse(nccl::invalid_argument, "ncclCommInitAll: %d devices", count);
  auto world = std::make_shared<World>();
  for (int i = 0; i < count; ++i) {
    const int device = devices == nullptr ? i : devices[i];
    if (!valid_device(device)) return refuse(nccl::invalid_argument, "ncclCommInitAll: there is no device %d", device);
    const auto& known = world->devices;
    if (std::find(known.begin(), known.end(), device) != known.end()) {
      return refuse(nccl::invalid_usage, "ncclCommInitAll: device %d is named twice", device);
    }
    world->devices.push_back(device);
  }
  world->calls.resize(world->size());
  for (size_t rank = 0; rank < world->size(); ++rank) comms[rank] = new nccl::CommOpaque{world, rank};
  return nccl::success;
}
nccl::Result destroy(nccl::Comm comm) {
  delete comm;
  return nccl::success;
}

nccl::Result group_start() {
  if (depth++ == 0) group_result = nccl::success;
  return nccl::success;
}
nccl::Result group_end() {
  const std::lock_guard lock(runtime_mutex());
  if (depth == 0) return refuse(nccl::invalid_usage, "ncclGroupEnd without ncclGroupStart");
  if (--depth > 0) return nccl::success;
  for (const auto& world : std::exchange(worlds, {})) {
    if (group_result == nccl::success) run_group(*world);
    world->calls.assign(world->size(), {});
  }
  return std::exchange(group_result, nccl::success);
}

nccl::Result all_reduce(const void* send, void* recv, size_t count, nccl::DataType type, nccl::RedOp op,
                        nccl::Comm comm, cudaStream_t stream) {
  return add(comm, {Kind::all_reduce, send, recv, count, type, op, 0, stream});
}
nccl::Result reduce_to(const void* send, void* recv, size_t count, nccl::DataType type, nccl::RedOp op, int root,
                       nccl::Comm comm, cudaStream_t stream) {
  return add(comm, {Kind::reduce, send, recv, count, type, op, root, stream});
}
nccl::Result broadcast(const void* send, void* recv, size_t count, nccl::DataType type, int root, nccl::Comm comm,
                       cudaStream_t stream) {
  return add(comm, {Kind::broadcast, send, recv, count, type, nccl::op_sum, root, stream});
}
nccl::Result all_gather(const void* send, void* recv, size_t count, nccl::DataType type, nccl::Comm comm,
                        cudaStream_t stream) {
  return add(comm, {Kind::all_gather, send, recv, count, type, nccl::op_sum, 0, stream});
}
nccl::Result reduce_scatter(const void* send, void* recv, size_t count, nccl::DataType type, nccl::RedOp op,
                            nccl::Comm comm, cudaStream_t stream) {
  return add(comm, {Kind::reduce_scatter, send, recv, count, type, op, 0, stream});
}

template <class F>
LibraryFunction entry(const char* name, F* function) {
  return {name, reinterpret_cast<void*>(function)};
}
#define FUNCTION(name, function) entry<std::remove_pointer_t<decltype(nccl::Functions::name)>>(#name, function)
const LibraryFunction functions[] = {
    FUNCTION(ncclGetErrorString, error_string),  FUNCTION(ncclGetLastError, get_last_error),
    FUNCTION(ncclCommInitAll, init_all),         FUNCTION(ncclCommDestroy, destroy),
    FUNCTION(ncclGroupStart, group_start),       FUNCTION(ncclGroupEnd, group_end),
    FUNCTION(ncclAllReduce, all_reduce),         FUNCTION(ncclReduce, reduce_to),
    FUNCTION(ncclBroadcast, broadcast),          FUNCTION(ncclAllGather, all_gather),
    FUNCTION(ncclReduceScatter, reduce_scatter),
};
#undef FUNCTION

}  // namespace

const Library nccl_library = {"libnccl.so.2", functions, std::size(functions)};

}  // namespace emulator
