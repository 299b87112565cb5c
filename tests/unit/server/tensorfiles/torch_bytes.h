// The bytes of zip files, pickles and pytorch_model.bin files, put together by hand after PKWARE's
// APPNOTE.TXT, CPython's Lib/pickletools.py and torch/serialization.py.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_TENSORFILES_TORCH_BYTES_H_
#define HOMOLOG_TESTS_UNIT_SERVER_TENSORFILES_TORCH_BYTES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"

namespace homolog::testing {

// `value` in `size` bytes, the lowest first.
inline std::string Little(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i, value >>= 8) bytes.push_back(static_cast<char>(value));
  return bytes;
}

// ---- zip ----

struct ZipPart {
  std::string name, data;
};

struct ZipOptions {
  bool zip64 = false;         // sizes, offsets and counts in zip64 records alone
  bool sizes_follow = false;  // as torch.save writes: the local header has neither sizes nor CRC
};

inline std::string ZipOf(const std::vector<ZipPart>& parts, ZipOptions options = {}) {
  std::string file, directory;
  const uint64_t flags = options.sizes_follow ? 0x808 : 0x800;
  for (const ZipPart& part : parts) {
    const uint64_t begin = file.size(), size = part.data.size(), crc = Crc32(part.data);
    const uint64_t shown = options.zip64 ? 0xFFFFFFFF : size;
    const std::string sizes = Little(size, 8) + Little(size, 8);
    const std::string local_extra = options.zip64 ? Little(1, 2) + Little(16, 2) + sizes : "";
    const bool hidden = options.sizes_follow;
    file += "PK\3\4" + Little(0, 2) + Little(flags, 2) + Little(0, 6) +
            Little(hidden ? 0 : crc, 4) + Little(hidden ? 0 : shown, 4) +
            Little(hidden ? 0 : shown, 4) + Little(part.name.size(), 2) +
            Little(local_extra.size(), 2) + part.name + local_extra + part.data;
    if (hidden) file += "PK\7\10" + Little(crc, 4) + Little(size, 4) + Little(size, 4);
    const std::string extra =
        options.zip64 ? Little(1, 2) + Little(24, 2) + sizes + Little(begin, 8) : "";
    directory += "PK\1\2" + Little(0, 4) + Little(flags, 2) + Little(0, 6) + Little(crc, 4) +
                 Little(shown, 4) + Little(shown, 4) + Little(part.name.size(), 2) +
                 Little(extra.size(), 2) + Little(0, 10) +
                 Little(options.zip64 ? 0xFFFFFFFF : begin, 4) + part.name + extra;
  }
  const uint64_t at = file.size(), size = directory.size(), count = parts.size();
  file += directory;
  if (options.zip64) {
    const uint64_t end = file.size();
    file += "PK\6\6" + Little(44, 8) + Little(0, 12) + Little(count, 8) + Little(count, 8) +
            Little(size, 8) + Little(at, 8);
    file += "PK\6\7" + Little(0, 4) + Little(end, 8) + Little(1, 4);
  }
  const uint64_t shown_count = options.zip64 ? 0xFFFF : count;
  return file + "PK\5\6" + Little(0, 4) + Little(shown_count, 2) + Little(shown_count, 2) +
         Little(options.zip64 ? 0xFFFFFFFF : size, 4) + Little(options.zip64 ? 0xFFFFFFFF : at, 4) +
         Little(0, 2);
}

// ---- pickle ----

// What pushes a value. Protocols from 4 have shorter forms.
inline std::string Text(std::string_view text, int protocol = 2) {
  const std::string bytes(text);
  return protocol < 4 ? "X" + Little(text.size(), 4) + bytes
                      : "\x8c" + Little(text.size(), 1) + bytes;
}

inline std::string Integer(int64_t value) {
  if (value >= 0 && value < 256) return "K" + Little(static_cast<uint64_t>(value), 1);
  if (value >= 0 && value < 65536) return "M" + Little(static_cast<uint64_t>(value), 2);
  return std::string("\x8a\x08") + Little(static_cast<uint64_t>(value), 8);
}

inline std::string Global(const std::string& module, const std::string& name, int protocol = 2) {
  return protocol < 4 ? "c" + module + "\n" + name + "\n"
                      : Text(module, 4) + Text(name, 4) + "\x93";
}

inline std::string Tuple(const std::vector<int64_t>& values) {
  std::string items;
  for (const int64_t value : values) items += Integer(value);
  return "(" + items + "t";
}

// A whole pickle that leaves what `program` pushes.
inline std::string PickleOf(const std::string& program, int protocol = 2) {
  const std::string body = program + ".";
  return "\x80" + Little(static_cast<uint64_t>(protocol), 1) +
         (protocol < 4 ? body : "\x95" + Little(body.size(), 8) + body);
}

// ---- torch.save ----

struct TorchTensor {
  std::string name;
  std::vector<int64_t> shape, strides;
  std::string storage = "0";  // key
  int64_t offset = 0;
  int64_t elements = 0;  // of the storage
  std::string type = "FloatStorage";
  bool parameter = false;  // within a torch.nn.Parameter
};

// What pushes the tensor.
inline std::string TensorProgram(const TorchTensor& tensor, int protocol = 2) {
  const std::string id = "(" + Text("storage", protocol) + Global("torch", tensor.type, protocol) +
                         Text(tensor.storage, protocol) + Text("cpu", protocol) +
                         Integer(tensor.elements) + "tQ";
  const std::string hooks = Global("collections", "OrderedDict", protocol) + ")R";
  const std::string plain = Global("torch._utils", "_rebuild_tensor_v2", protocol) + "(" + id +
                            Integer(tensor.offset) + Tuple(tensor.shape) + Tuple(tensor.strides) +
                            "\x89" + hooks + "tR";
  if (!tensor.parameter) return plain;
  return Global("torch._utils", "_rebuild_parameter", protocol) + "(" + plain + "\x88" + hooks +
         "tR";
}

inline std::string StateDictProgram(const std::vector<TorchTensor>& tensors, int protocol = 2) {
  std::string items;
  for (const TorchTensor& tensor : tensors) {
    items += Text(tensor.name, protocol) + TensorProgram(tensor, protocol);
  }
  return Global("collections", "OrderedDict", protocol) + ")R(" + items + "u";
}

// A file whose data.pkl is `pickle`, with the storages' bytes by key.
inline std::string TorchFile(const std::string& pickle,
                             const std::map<std::string, std::string>& storages,
                             ZipOptions options = {.zip64 = false, .sizes_follow = true}) {
  std::vector<ZipPart> parts = {{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) parts.push_back({"archive/data/" + key, bytes});
  parts.push_back({"archive/version", "3\n"});
  return ZipOf(parts, options);
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_UNIT_SERVER_TENSORFILES_TORCH_BYTES_H_
