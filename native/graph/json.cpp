#include "graph/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>

namespace afterimage {
namespace {

constexpr int kMaxDepth = 32;

// Length of the UTF-8 sequence at the start of `text` (RFC 3629, table 3-7 of Unicode); 0 where it is malformed.
size_t utf8_length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const unsigned first = at(0), second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// from_chars where the library has it for double; elsewhere a stream, because strtod follows the process locale.
bool parse_double(std::string_view text, double& out) {
#ifdef __cpp_lib_to_chars
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
#else
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  return static_cast<bool>(stream >> out) && std::isfinite(out);
#endif
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    Json result = value(0);
    skip_space();
    if (at_ < text_.size()) fail("text after the value");
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw JsonError(what + " at byte " + std::to_string(at_)); }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool digit() const { return peek() >= '0' && peek() <= '9'; }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "'");
  }

  Json value(int depth) {
    if (depth > kMaxDepth) fail("nesting deeper than " + std::to_string(kMaxDepth));
    skip_space();
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return Json(string());
      case 't':
        return literal("true", Json(true));
      case 'f':
        return literal("false", Json(false));
      case 'n':
        return literal("null", Json());
      default:
        return number();
    }
  }

  Json literal(std::string_view word, Json result) {
    if (text_.substr(at_, word.size()) != word) fail("unexpected character");
    at_ += word.size();
    return result;
  }

  Json object(int depth) {
    expect('{');
    Json::Object members;
    skip_space();
    if (accept('}')) return Json(std::move(members));
    do {
      skip_space();
      if (peek() != '"') fail("expected a key");
      std::string key = string();
      skip_space();
      expect(':');
      Json member = value(depth + 1);
      members.emplace_back(std::move(key), std::move(member));
      skip_space();
    } while (accept(','));
    expect('}');
    refuse_repeated_keys(members);
    return Json(std::move(members));
  }

  static void refuse_repeated_keys(const Json::Object& members) {
    std::vector<std::string_view> keys;
    for (const auto& member : members) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) throw JsonError("key \"" + std::string(*twice) + "\" appears twice");
  }

  Json array(int depth) {
    expect('[');
    Json::Array elements;
    skip_space();
    if (accept(']')) return Json(std::move(elements));
    do {
      elements.push_back(value(depth + 1));
      skip_space();
    } while (accept(','));
    expect(']');
    return Json(std::move(elements));
  }

  std::string string() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ >= text_.size()) fail("unfinished string");
      const unsigned char c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) fail("control character in a string");
      if (accept('"')) return out;
      if (accept('\\')) {
        escape(out);
        continue;
      }
      const size_t length = utf8_length(text_.substr(at_, 4));
      if (length == 0) fail("malformed UTF-8");
      out.append(text_.substr(at_, length));
      at_ += length;
    }
  }

  void escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (accept('u')) return append_utf8(out, code_point());
    const size_t which = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) fail("unknown escape");
    ++at_;
    out.push_back(kMeanings[which]);
  }

  uint32_t code_point() {
    const uint32_t high = hex4();
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || !accept('\\') || !accept('u')) fail("lone surrogate");
    const uint32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail("lone surrogate");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  uint32_t hex4() {
    uint32_t code = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() < 4 || error != std::errc() || end != digits.data() + 4) fail("expected four hexadecimal digits");
    at_ += 4;
    return code;
  }

  void digits() {
    if (!digit()) fail("unexpected character");
    while (digit()) ++at_;
  }

  Json number() {
    const size_t start = at_;
    accept('-');
    if (!accept('0')) digits();
    bool integral = true;
    if (accept('.')) {
      integral = false;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      integral = false;
      ++at_;
      if (!accept('+')) accept('-');
      digits();
    }
    const std::string_view text = text_.substr(start, at_ - start);
    int64_t exact = 0;
    if (integral && std::from_chars(text.data(), text.data() + text.size(), exact).ec == std::errc())
      return Json(exact);
    double real = 0;
    if (!parse_double(text, real)) fail("number out of range");
    return Json(real);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool Json::number(double& out) const noexcept {
  if (const int64_t* exact = integer()) return out = static_cast<double>(*exact), true;
  if (const double* real = std::get_if<double>(&value_)) return out = *real, true;
  return false;
}

const Json* Json::find(std::string_view key) const noexcept {
  const Object* members = object();
  if (!members) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

Json parse_json(std::string_view text) { return Parser(text).document(); }

}  // namespace afterimage
