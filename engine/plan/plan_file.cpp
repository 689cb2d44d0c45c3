// Writes and maps plan files.
#include "engine/plan/plan_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "engine/ir/schema.h"
#include "engine/plan/byte_io.h"
#include "engine/plan/compile.h"
#include "engine/plan/graph_io.h"

namespace antiphon::plan {
namespace {

constexpr std::string_view kMagic = "ANTPLAN2";
constexpr std::size_t kPrefixBytes = 32;
constexpr std::string_view kDevice = "cpu";

std::uint64_t fnv(std::string_view bytes) {
  std::uint64_t hash = 1469598103934665603ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

struct Mapping {
  void* data = nullptr;
  std::size_t bytes = 0;
  ~Mapping() {
    if (data) ::munmap(data, bytes);
  }
};

Result<std::shared_ptr<const Mapping>> map_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return not_found(path + ": cannot be opened");
  struct stat info {};
  const bool sized = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  auto mapping = std::make_shared<Mapping>();
  if (sized && info.st_size > 0) {
    void* at =
        ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (at != MAP_FAILED) {
      mapping->data = at;
      mapping->bytes = static_cast<std::size_t>(info.st_size);
    }
  }
  ::close(fd);
  if (!sized) return invalid_argument(path + ": is not a regular file");
  return std::shared_ptr<const Mapping>(std::move(mapping));
}

void write_header(const PlanData& data, ByteWriter& out, ConstantBlob& blob) {
  out.text(kEngineVersion);
  out.text(kDevice);
  out.number(data.isa);
  out.number(data.precision);
  out.number(static_cast<std::int32_t>(data.num_threads));
  out.number(static_cast<std::uint8_t>(data.tuned));
  out.number(data.network_hash);
  out.number(static_cast<std::uint32_t>(data.profile.size()));
  for (const auto& [symbol, range] : data.profile) {
    out.text(symbol);
    for (const std::int64_t v : {range.min, range.opt, range.max}) out.number(v);
  }
  out.number(static_cast<std::int32_t>(data.report.nodes_before));
  out.number(static_cast<std::uint32_t>(data.report.passes.size()));
  for (const std::string& pass : data.report.passes) out.text(pass);
  write_graph(data.graph, out, blob);
  out.number(static_cast<std::uint32_t>(data.steps.size()));
  for (const Step& step : data.steps) {
    out.number(static_cast<std::uint32_t>(step.candidates.size()));
    for (const Candidate& c : step.candidates) {
      out.text(c.kernel->name);
      out.number(c.time_us);
    }
  }
  out.number(static_cast<std::uint64_t>(data.memory.arena_bytes));
  out.number(static_cast<std::uint64_t>(data.memory.live_bytes_bound));
  out.number(static_cast<std::uint32_t>(data.memory.offset.size()));
  for (std::size_t i = 0; i < data.memory.offset.size(); ++i) {
    out.number(data.memory.root[i]);
    out.number(static_cast<std::uint64_t>(data.memory.offset[i]));
  }
}

void read_identity(ByteReader& in, Isa most, PlanData& data) {
  const std::string version = in.text("engine version");
  if (in.status().ok() && version != kEngineVersion)
    in.fail("engine version", "is '" + version + "', wanted '" + std::string(kEngineVersion) +
                                  "'; build the plan again");
  const std::string device = in.text("device");
  if (in.status().ok() && device != kDevice)
    in.fail("device", "is '" + device + "', wanted '" + std::string(kDevice) + "'");
  data.isa = in.number<Isa>("isa");
  if (data.isa > Isa::kAmxInt8) {
    in.fail("isa", "is unknown");
  } else if (data.isa > most) {
    in.fail("isa", std::string("is ") + kIsaNames[static_cast<std::size_t>(data.isa)] +
                       ", this machine goes up to " + kIsaNames[static_cast<std::size_t>(most)] +
                       "; build the plan again");
  }
  data.precision = in.number<Precision>("precision");
  if (data.precision > Precision::kInt8) in.fail("precision", "is unknown");
  data.num_threads = in.number<std::int32_t>("threads");
  if (data.num_threads < 1 || data.num_threads > 1024)
    in.fail("threads", "is " + std::to_string(data.num_threads));
  const auto tuned = in.number<std::uint8_t>("tuned");
  if (tuned > 1) in.fail("tuned", "is " + std::to_string(tuned) + ", wanted 0 or 1");
  data.tuned = tuned == 1;
  data.network_hash = in.number<std::uint64_t>("network hash");
}

void read_profile(ByteReader& in, PlanData& data) {
  const std::uint32_t n = in.count("profile", 28);
  for (std::uint32_t i = 0; i < n && in.status().ok(); ++i) {
    DimRange& range = data.profile[in.text("profile symbol")];
    for (std::int64_t* v : {&range.min, &range.opt, &range.max})
      *v = in.number<std::int64_t>("profile");
  }
  data.report.nodes_before = in.number<std::int32_t>("nodes before");
  data.report.passes.resize(in.count("passes", 4));
  for (std::string& pass : data.report.passes) pass = in.text("passes");
}

std::vector<std::vector<TimedName>> read_kernels(ByteReader& in) {
  std::vector<std::vector<TimedName>> names(in.count("kernels", 4));
  for (auto& list : names) {
    list.resize(in.count("kernel names", 12));
    for (TimedName& kernel : list) {
      kernel.name = in.text("kernel name");
      kernel.time_us = in.number<double>("kernel time");
      if (!(kernel.time_us >= 0)) in.fail("kernel time", "of '" + kernel.name + "' is no time");
    }
  }
  return names;
}

void read_memory(ByteReader& in, PlanData& data) {
  data.memory.arena_bytes = in.number<std::uint64_t>("arena bytes");
  data.memory.live_bytes_bound = in.number<std::uint64_t>("live bytes");
  if (data.memory.arena_bytes > (std::uint64_t{1} << 36)) in.fail("arena bytes", "is over 64 GiB");
  const std::uint32_t n = in.count("offsets", 12);
  for (std::uint32_t i = 0; i < n; ++i) {
    data.memory.root.push_back(in.number<ir::ValueId>("root"));
    data.memory.offset.push_back(in.number<std::uint64_t>("offset"));
  }
  if (in.status().ok() && n != data.graph.values.size())
    in.fail("offsets",
            "are " + std::to_string(n) + ", wanted " + std::to_string(data.graph.values.size()));
  for (const ir::ValueId root : data.memory.root)
    if (root < 0 || static_cast<std::size_t>(root) >= n) in.fail("root", "is no value");
}

Result<std::string_view> check_prefix(std::string_view file) {
  if (file.size() < kPrefixBytes)
    return invalid_argument("file: has " + std::to_string(file.size()) +
                            " bytes, a plan has at least " + std::to_string(kPrefixBytes));
  if (file.substr(0, kMagic.size()) != kMagic)
    return invalid_argument("magic: is not a plan file (wanted ANTPLAN2)");
  ByteReader in(file.substr(kMagic.size()));
  const std::uint64_t file_bytes = in.number<std::uint64_t>("file bytes");
  const std::uint64_t header_bytes = in.number<std::uint64_t>("header bytes");
  const std::uint64_t hash = in.number<std::uint64_t>("header hash");
  if (file_bytes != file.size())
    return invalid_argument("file bytes: the file has " + std::to_string(file.size()) +
                            ", wanted " + std::to_string(file_bytes));
  if (header_bytes > file.size() - kPrefixBytes)
    return invalid_argument("header bytes: is larger than the file");
  const std::string_view header = file.substr(kPrefixBytes, header_bytes);
  if (fnv(header) != hash)
    return invalid_argument("header hash: does not match; the file is damaged");
  return header;
}

}  // namespace

Status write_plan(const PlanData& data, const std::string& path) {
  ByteWriter header;
  ConstantBlob blob;
  write_header(data, header, blob);
  const std::size_t blob_at = (kPrefixBytes + header.bytes().size() + 63) / 64 * 64;
  ByteWriter prefix;
  prefix.number(static_cast<std::uint64_t>(blob_at + blob.bytes().size()));
  prefix.number(static_cast<std::uint64_t>(header.bytes().size()));
  prefix.number(fnv(header.bytes()));
  const std::string partial = path + ".partial";
  {
    std::ofstream out(partial, std::ios::binary);
    out << kMagic << prefix.bytes() << header.bytes()
        << std::string(blob_at - kPrefixBytes - header.bytes().size(), '\0') << blob.bytes();
    if (!out.flush()) return internal_error(partial + ": cannot be written");
  }
  if (std::rename(partial.c_str(), path.c_str()) != 0)
    return internal_error(path + ": cannot be replaced");
  return {};
}

Result<std::shared_ptr<const Plan>> read_plan(const std::string& path, const Backend& backend,
                                              Isa most, const PlanExtras& extras) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::shared_ptr<const Mapping> mapping, map_file(path));
  const std::string_view file(static_cast<const char*>(mapping->data), mapping->bytes);
  const auto header = check_prefix(file);
  if (!header.ok()) return header.status().with_context(path);
  const std::size_t blob_at = std::min(file.size(), (kPrefixBytes + header->size() + 63) / 64 * 64);

  PlanData data;
  ByteReader in(*header);
  read_identity(in, most, data);
  if (in.status().ok()) read_profile(in, data);
  if (in.status().ok()) data.graph = read_graph(in, file.substr(blob_at), mapping);
  const auto kernels = read_kernels(in);
  if (in.status().ok()) read_memory(in, data);
  if (!in.status().ok()) return in.status().with_context(path);
  data.keeps = extras.keeps;
  if (extras.bind)
    if (Status s = extras.bind(data.graph); !s.ok()) return s.with_context(path);
  if (Status s = ir::verify(data.graph); !s.ok()) return s.with_context(path);
  if (Status s = use_kernels(backend, kernels, data); !s.ok()) return s.with_context(path);
  auto plan = finish(std::move(data));
  if (!plan.ok()) return plan.status().with_context(path);
  return plan;
}

}  // namespace antiphon::plan
