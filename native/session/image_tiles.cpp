#include "session/image_tiles.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "weights/sha256.h"

namespace afterimage {
namespace {

// Disjoint sets with path halving: Tarjan and van Leeuwen 1984.
class DisjointSets {
 public:
  int32_t add(int32_t count) {
    const auto first = static_cast<int32_t>(parents_.size());
    parents_.resize(parents_.size() + static_cast<size_t>(count));
    std::iota(parents_.begin() + first, parents_.end(), first);
    return first;
  }
  int32_t find(int32_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  void join(int32_t a, int32_t b) {
    a = find(a), b = find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<int32_t> parents_;
};

std::span<const int32_t> integers(const NamedInput& input) {
  return {reinterpret_cast<const int32_t*>(input.data.data()), input.data.size() / 4};
}

// What the kernels do to rows that are not of this run: state, images with their neighbours.
bool mixes_rows_otherwise(Op op) {
  switch (op) {
    case Op::Attention:
    case Op::ShortConv:
    case Op::GatedDelta:
    case Op::Convolution:
    case Op::DepthwiseConvolution:
    case Op::SeparableConvolution:
    case Op::ImageMean:
    case Op::ScaleImages:
    case Op::Spread:
      return true;
    default:
      return false;
  }
}

}  // namespace

class ImageTiles::Finder {
 public:
  Finder(const Program& program, const std::vector<NamedInput>& inputs) : program_(program) {
    for (const NamedInput& given : inputs) {
      const int32_t value = program.value_index(given.name);
      of_value_[value] = inputs_.size();
      inputs_.push_back({given});
      const RowCount& rows = program.values[value].rows;
      counts_[rows.symbol] = given.rows * rows.div / rows.mul;
    }
  }

  std::optional<ImageTiles> run() {
    for (const OpNode& node : program_.ops)
      if (node.op == Op::SegmentAttention && !divides(node)) return std::nullopt;
    for (const OpNode& node : program_.ops)
      if (!joins(node)) return std::nullopt;
    for (const auto& [value, at] : of_value_) {
      if (program_.values[value].rows.symbol.empty()) return std::nullopt;  // always as many, of fewer tiles too
      if (inputs_[at].role != Role::segments) inputs_[at].rows = domain_of(value);
    }
    if (divided_ < 0) return std::nullopt;
    return tiles();
  }

 private:
  struct Domain {
    RowCount rows;
    int32_t first, count;  // its rows among those of all domains
  };

  // −1: its rows cannot be counted by the inputs.
  int32_t domain_of(int32_t value) {
    const RowCount& rows = program_.values[value].rows;
    for (size_t i = 0; i < domains_.size(); ++i)
      if (domains_[i].rows == rows) return static_cast<int32_t>(i);
    if (!rows.symbol.empty() && !counts_.contains(rows.symbol)) return -1;
    const auto count = static_cast<int32_t>(rows.resolve(counts_));
    domains_.push_back({rows, sets_.add(count), count});
    return static_cast<int32_t>(domains_.size()) - 1;
  }

  Input* input_at(int32_t value) {
    const auto found = of_value_.find(value);
    return found == of_value_.end() ? nullptr : &inputs_[found->second];
  }

  // One input has one role and one row domain that it speaks of.
  bool take_role(Input& input, Role role, int32_t target) {
    int32_t& place = role == Role::segments ? input.rows : input.target;
    if (input.role != Role::content) return input.role == role && place == target;
    input.role = role;
    place = target;
    return true;
  }

  bool divides(const OpNode& node) {
    const int32_t domain = domain_of(node.in[0]);
    Input* segments = input_at(node.in[3]);
    if (domain < 0 || !segments || !take_role(*segments, Role::segments, domain)) return false;
    const auto [rows, first, count] = domains_[domain];
    const std::span<const int32_t> edges = integers(segments->given);
    if (edges.empty() || edges.front() != 0 || edges.back() != count || !std::is_sorted(edges.begin(), edges.end()))
      return false;
    for (size_t s = 0; s + 1 < edges.size(); ++s)
      for (int32_t row = edges[s] + 1; row < edges[s + 1]; ++row) sets_.join(first + edges[s], first + row);
    if (divided_ < 0) divided_ = domain;
    return true;
  }

  bool joins(const OpNode& node) {
    switch (node.op) {
      case Op::SegmentAttention:
        return true;
      case Op::GatherRows:
      case Op::DepthwiseRows:
        return joins_indexed(node.in[0], node.in[1], node.out[0]);
      case Op::WeightedRows:  // of a weight: addressed like an embedding
        return node.in[0] < 0 || joins_indexed(node.in[0], node.in[1], node.out[0]);
      case Op::ReplaceRows:
      case Op::AddRows:
        return joins_indexed(node.in[1], node.in[2], node.out[0]);
      case Op::Regroup:
        return joins_grouped(node);
      default:
        return !mixes_rows_otherwise(node.op) && stays_in_rows(node);
    }
  }

  // Row r of the output reads row r of every input.
  bool stays_in_rows(const OpNode& node) const {
    return std::all_of(node.in.begin(), node.in.end(), [&](int32_t value) {
      return value < 0 || program_.values[value].rows == program_.values[node.out[0]].rows;
    });
  }

  // Row r of the output reads those rows of x that stand in row r of the index.
  bool joins_indexed(int32_t x, int32_t index, int32_t out) {
    const int32_t from = domain_of(x), to = domain_of(out);
    Input* input = input_at(index);
    if (from < 0 || to < 0 || !input || !take_role(*input, Role::index, from)) return false;
    const std::span<const int32_t> rows = integers(input->given);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] < 0) continue;
      if (rows[i] >= domains_[from].count) return false;
      sets_.join(domains_[from].first + rows[i], domains_[to].first + static_cast<int32_t>(i / input->given.width));
    }
    return true;
  }

  // `factor` rows become `split` rows of the same bytes.
  bool joins_grouped(const OpNode& node) {
    const int32_t from = domain_of(node.in[0]), to = domain_of(node.out[0]);
    if (from < 0 || to < 0) return false;
    for (int32_t row = 0; row < domains_[from].count; ++row) {
      const int32_t group = row / node.attrs.factor;
      sets_.join(domains_[from].first + row, domains_[to].first + group * node.attrs.split);
    }
    for (int32_t row = 0; row < domains_[to].count; ++row)
      sets_.join(domains_[to].first + row, domains_[to].first + row / node.attrs.split * node.attrs.split);
    return true;
  }

  std::optional<ImageTiles> tiles() {
    const int32_t features = domain_of(program_.outputs[0]);
    if (features < 0 || !std::all_of(program_.outputs.begin(), program_.outputs.end(),
                                     [&](int32_t output) { return domain_of(output) == features; }))
      return std::nullopt;
    std::map<int32_t, int32_t> tile_of_set;  // in the order of the rows that attention divides
    const Domain& divided = domains_[divided_];
    for (int32_t row = 0; row < divided.count; ++row)
      tile_of_set.try_emplace(sets_.find(divided.first + row), static_cast<int32_t>(tile_of_set.size()));
    if (tile_of_set.size() < 2) return std::nullopt;

    ImageTiles tiles;
    tiles.inputs_ = inputs_;
    for (const Domain& domain : domains_) {
      std::vector<int32_t>& owners = tiles.owners_.emplace_back(static_cast<size_t>(domain.count));
      for (int32_t row = 0; row < domain.count; ++row) {
        const auto found = tile_of_set.find(sets_.find(domain.first + row));
        owners[row] = found == tile_of_set.end() ? 0 : found->second;  // rows that read no picture: with the first
      }
    }
    tiles.patches_.resize(tile_of_set.size());
    for (int32_t owner : tiles.owners_[divided_]) ++tiles.patches_[owner];
    tiles.feature_rows_.resize(tile_of_set.size());
    const std::vector<int32_t>& owners = tiles.owners_[features];
    for (size_t row = 0; row < owners.size(); ++row)
      tiles.feature_rows_[owners[row]].push_back(static_cast<int32_t>(row));
    for (size_t tile = 0; tile < tile_of_set.size(); ++tile) {
      Sha256 hash;
      for (const NamedInput& input : tiles.inputs_of({tile}))
        hash.update_integer(static_cast<uint64_t>(input.rows)).update(input.data.data(), input.data.size());
      tiles.keys_.push_back(hash.digest());
    }
    return tiles;
  }

  const Program& program_;
  std::vector<Input> inputs_;
  std::map<int32_t, size_t> of_value_;
  std::map<std::string, int64_t> counts_;
  std::vector<Domain> domains_;
  DisjointSets sets_;
  int32_t divided_ = -1;  // the domain of the first attention
};

std::optional<ImageTiles> ImageTiles::find(const Program& program, const std::vector<NamedInput>& inputs) {
  return Finder(program, inputs).run();
}

std::vector<TileFeatures::Run> ImageTiles::runs() const {
  struct Part {
    int32_t row, from;
    size_t tile;
  };
  std::vector<Part> parts;
  for (size_t tile = 0; tile < count(); ++tile)
    for (size_t i = 0; i < feature_rows_[tile].size(); ++i)
      parts.push_back({feature_rows_[tile][i], static_cast<int32_t>(i), tile});
  std::ranges::sort(parts, {}, &Part::row);
  std::vector<TileFeatures::Run> runs;
  for (const auto& [row, from, tile] : parts) {
    if (!runs.empty() && runs.back().tile == keys_[tile] && runs.back().from + runs.back().rows == from) {
      ++runs.back().rows;
    } else {
      runs.push_back({keys_[tile], from, 1});
    }
  }
  return runs;
}

std::vector<NamedInput> ImageTiles::inputs_of(const std::vector<size_t>& chosen) const {
  std::vector<bool> wanted(feature_rows_.size());
  for (size_t tile : chosen) wanted[tile] = true;
  std::vector<std::vector<int32_t>> places(
      owners_.size());  // by domain: where a row stands now, −1 where it is left out
  for (size_t domain = 0; domain < owners_.size(); ++domain) {
    int32_t next = 0;
    for (int32_t owner : owners_[domain]) places[domain].push_back(wanted[owner] ? next++ : -1);
  }
  std::vector<NamedInput> out;
  for (const Input& input : inputs_) {
    auto kept = std::make_shared<std::vector<int32_t>>();
    const std::span<const int32_t> values = integers(input.given);
    const auto width = static_cast<size_t>(input.given.width);
    const std::vector<int32_t>& rows = places[input.rows];
    if (input.role == Role::segments) {
      kept->push_back(0);
      for (size_t s = 0; s + 1 < values.size(); ++s) {
        if (values[s] == values[s + 1] || rows[values[s]] < 0) continue;
        kept->push_back(kept->back() + values[s + 1] - values[s]);
      }
    } else {
      for (size_t row = 0; row < rows.size(); ++row)
        if (rows[row] >= 0)
          kept->insert(kept->end(), values.begin() + static_cast<ptrdiff_t>(row * width),
                       values.begin() + static_cast<ptrdiff_t>((row + 1) * width));
      if (input.role == Role::index)
        for (int32_t& value : *kept)
          if (value >= 0) value = places[input.target][value];
    }
    NamedInput given = input.given;
    given.rows = static_cast<int64_t>(kept->size() / width);
    given.data = std::as_bytes(std::span(*kept));
    given.owner = kept;
    out.push_back(std::move(given));
  }
  return out;
}

}  // namespace afterimage
