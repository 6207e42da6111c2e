#include <fulmen/kernels/vendor_library.h>
#include <fulmen/tensor/collectives.h>
#include <fulmen/tensor/cuda/check.h>
#include <fulmen/tensor/cuda/devices.h>
#include <fulmen/tensor/cuda/nccl.h>
#include <fulmen/tensor/error.h>

#include <algorithm>

namespace fulmen::cuda {

namespace {

const nccl::Functions& functions() {
  static const VendorLibrary library("nccl", {2});
  static nccl::Functions table;
  static const char* const lacking = library.fill(reinterpret_cast<void**>(&table), nccl::function_names);
  library.require("several devices", "use one device");
  FULMEN_CHECK(!lacking, library.file(), " has no function ", lacking, "; NCCL 2.13 or later is needed");
  return table;
}

void require_success(nccl::Result result, const char* op, const char* call, nccl::Comm comm) {
  if (result == nccl::success) return;
  const char* detail = functions().ncclGetLastError(comm);
  fail(str(op, ": ", call, " failed: ", functions().ncclGetErrorString(result), ": ", detail ? detail : "no details"));
}

nccl::DataType type_of(ScalarType dtype, const char* op) {
  switch (dtype) {
    case kFloat:
      return nccl::type_float32;
    case kDouble:
      return nccl::type_float64;
    case kHalf:
      return nccl::type_float16;
    case kBFloat16:
      return nccl::type_bfloat16;
    case kLong:
      return nccl::type_int64;
    case kInt:
      return nccl::type_int32;
    case kChar:
      return nccl::type_int8;
    case kByte:
      return nccl::type_uint8;
    default:
      throw Error("E002", str(op, ": devices exchange numbers; got a tensor of type ", dtype), "convert it with to()");
  }
}

nccl::RedOp number_of(ReduceOp op) {
  constexpr nccl::RedOp numbers[] = {nccl::op_sum, nccl::op_prod, nccl::op_max, nccl::op_min, nccl::op_avg};
  return numbers[static_cast<size_t>(op)];
}

/// One tensor per device, all of one form.
void check(const char* op, const char* what, TensorList tensors, const std::vector<int>& devices) {
  FULMEN_CHECK(tensors.size() == devices.size(), op, ": expected one tensor per device in ", what, ", ", devices.size(),
               " of them; got ", tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor &t = tensors[i], &like = tensors[0];
    FULMEN_CHECK(t.defined(), op, ": ", what, "[", i, "] is undefined");
    const Device wanted(kCUDA, static_cast<DeviceIndex>(devices[i]));
    if (!(t.device() == wanted)) {
      throw Error("E003", str(op, ": expected ", what, "[", i, "] on ", wanted, "; got ", t), "move it with to()");
    }
    FULMEN_CHECK(t.is_contiguous(), op, ": ", what, "[", i, "] is not contiguous: ", t);
    FULMEN_CHECK(t.scalar_type() == like.scalar_type() && t.numel() == like.numel(), op, ": ", what, "[", i,
                 "] has another dtype or number of elements than ", what, "[0]: ", t, " and ", like);
  }
}

void* data_of(const Tensor& tensor) { return const_cast<void*>(tensor.const_data_ptr()); }

}  // namespace

/// One collective, written down for all devices.
struct Communicator::Call {
  const char *op, *function;
  TensorList written;
  AnyFunction<nccl::Result(size_t i, nccl::Comm, cudaStream_t)> on;
};

Communicator::Communicator(std::vector<int> devices) : devices_(std::move(devices)) {
  FULMEN_CHECK(!devices_.empty(), "Communicator: no device is named");
  for (size_t i = 0; i < devices_.size(); ++i) {
    exact(Device(kCUDA, static_cast<DeviceIndex>(devices_[i])));
    FULMEN_CHECK(std::count(devices_.begin(), devices_.end(), devices_[i]) == 1, "Communicator: cuda:", devices_[i],
                 " is named twice");
  }
  const OnDevice stay(current_device());
  std::vector<nccl::Comm> made(devices_.size());
  const nccl::Functions& f = functions();
  require_success(f.ncclCommInitAll(made.data(), static_cast<int>(made.size()), devices_.data()), "Communicator",
                  "ncclCommInitAll", nullptr);
  handles_.assign(made.begin(), made.end());
}

Communicator::~Communicator() {
  for (void* handle : handles_) functions().ncclCommDestroy(static_cast<nccl::Comm>(handle));
}

void Communicator::together(const AnyFunction<void()>& calls) const {
  const nccl::Functions& f = functions();
  require_success(f.ncclGroupStart(), "together", "ncclGroupStart", nullptr);
  try {
    calls();
  } catch (...) {
    f.ncclGroupEnd();
    throw;
  }
  require_success(f.ncclGroupEnd(), "together", "ncclGroupEnd", static_cast<nccl::Comm>(handles_[0]));
}

void Communicator::run(const Call& call) const {
  const nccl::Functions& f = functions();
  auto comm = [this](size_t i) { return static_cast<nccl::Comm>(handles_[i]); };
  require_success(f.ncclGroupStart(), call.op, "ncclGroupStart", nullptr);
  nccl::Result result = nccl::success;
  size_t i = 0;
  for (; i < size() && result == nccl::success; ++i) {
    result = call.on(i, comm(i), static_cast<cudaStream_t>(current_stream(devices_[i]).handle()));
  }
  const nccl::Result ended = f.ncclGroupEnd();
  require_success(result, call.op, call.function, comm(i - 1));
  require_success(ended, call.op, call.function, comm(0));
  for (const Tensor& tensor : call.written) tensor.storage()->version.increment();
}

void Communicator::all_reduce(TensorList tensors, ReduceOp op) const {
  check("all_reduce", "tensors", tensors, devices_);
  const nccl::DataType type = type_of(tensors[0].scalar_type(), "all_reduce");
  run({"all_reduce", "ncclAllReduce", tensors, [&](size_t i, nccl::Comm comm, cudaStream_t stream) {
         void* data = data_of(tensors[i]);
         return functions().ncclAllReduce(data, data, static_cast<size_t>(tensors[i].numel()), type, number_of(op),
                                          comm, stream);
       }});
}

void Communicator::reduce(TensorList tensors, ReduceOp op, size_t root) const {
  check("reduce", "tensors", tensors, devices_);
  FULMEN_CHECK(root < size(), "reduce: root is ", root, ", and there are ", size(), " devices");
  const nccl::DataType type = type_of(tensors[0].scalar_type(), "reduce");
  run({"reduce", "ncclReduce", TensorList(&tensors[root], 1), [&](size_t i, nccl::Comm comm, cudaStream_t stream) {
         void* data = data_of(tensors[i]);
         return functions().ncclReduce(data, i == root ? data : nullptr, static_cast<size_t>(tensors[i].numel()), type,
                                       number_of(op), static_cast<int>(root), comm, stream);
       }});
}

void Communicator::broadcast(TensorList tensors, size_t root) const {
  check("broadcast", "tensors", tensors, devices_);
  FULMEN_CHECK(root < size(), "broadcast: root is ", root, ", and there are ", size(), " devices");
  run({"broadcast", "ncclBroadcast", tensors, [&](size_t i, nccl::Comm comm, cudaStream_t stream) {
         void* data = data_of(tensors[i]);
         // Bytes do not care about types; bool has none in NCCL.
         return functions().ncclBroadcast(data, data, tensors[i].nbytes(), nccl::type_uint8, static_cast<int>(root),
                                          comm, stream);
       }});
}

void Communicator::all_gather(TensorList gathered, TensorList parts) const {
  check("all_gather", "gathered", gathered, devices_);
  check("all_gather", "parts", parts, devices_);
  const auto count = static_cast<int64_t>(size());
  FULMEN_CHECK(gathered[0].scalar_type() == parts[0].scalar_type() && gathered[0].numel() == count * parts[0].numel(),
               "all_gather: expected ", count, " times the elements of a part in gathered; got ", gathered[0], " and ",
               parts[0]);
  run({"all_gather", "ncclAllGather", gathered, [&](size_t i, nccl::Comm comm, cudaStream_t stream) {
         return functions().ncclAllGather(data_of(parts[i]), data_of(gathered[i]), parts[i].nbytes(), nccl::type_uint8,
                                          comm, stream);
       }});
}

void Communicator::reduce_scatter(TensorList parts, TensorList whole, ReduceOp op) const {
  check("reduce_scatter", "parts", parts, devices_);
  check("reduce_scatter", "whole", whole, devices_);
  const auto count = static_cast<int64_t>(size());
  FULMEN_CHECK(whole[0].scalar_type() == parts[0].scalar_type() && whole[0].numel() == count * parts[0].numel(),
               "reduce_scatter: expected ", count, " times the elements of a part in whole; got ", whole[0], " and ",
               parts[0]);
  const nccl::DataType type = type_of(parts[0].scalar_type(), "reduce_scatter");
  run({"reduce_scatter", "ncclReduceScatter", parts, [&](size_t i, nccl::Comm comm, cudaStream_t stream) {
         return functions().ncclReduceScatter(data_of(whole[i]), data_of(parts[i]),
                                              static_cast<size_t>(parts[i].numel()), type, number_of(op), comm, stream);
       }});
}

}  // namespace fulmen::cuda
