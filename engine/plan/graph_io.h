// Graphs as bytes: structure in one stream, constants in a blob that can be mapped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/ir/graph.h"
#include "engine/plan/byte_io.h"

namespace antiphon::plan {

// Collects constants, each stored once, at 64-byte aligned offsets.
class ConstantBlob {
 public:
  std::uint64_t add(const ir::ConstantData& constant);
  const std::string& bytes() const { return bytes_; }

 private:
  std::map<std::pair<const void*, std::size_t>, std::uint64_t> seen_;
  std::string bytes_;
};

void write_graph(const ir::Graph& graph, ByteWriter& out, ConstantBlob& blob);

// blob: the mapped constants; owner keeps them alive. Structure is checked for what indexing needs;
// ir::verify() must follow. The reader's status tells what is wrong.
ir::Graph read_graph(ByteReader& in, std::string_view blob, std::shared_ptr<const void> owner,
                     int depth = 0);

}  // namespace antiphon::plan
