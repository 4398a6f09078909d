#include <string>

#include "graph/json.h"
#include "graph_check.h"

using namespace afterimage;

namespace {

bool rejects(std::string_view text, std::string_view fragment = "") {
  try {
    parse_json(text);
    return false;
  } catch (const JsonError& error) {
    return std::string_view(error.what()).find(fragment) != std::string_view::npos;
  }
}

int64_t integer(std::string_view text) {
  const Json json = parse_json(text);
  return json.integer() ? *json.integer() : -77;
}

double real(std::string_view text) {
  double value = -77;
  parse_json(text).number(value);
  return value;
}

void numbers() {
  CHECK(integer("9223372036854775807") == INT64_MAX);
  CHECK(integer("-9223372036854775808") == INT64_MIN);
  CHECK(integer("9007199254740993") == 9007199254740993);  // not a double
  CHECK(parse_json("9223372036854775808").integer() == nullptr);
  CHECK(real("9223372036854775808") == 9223372036854775808.0);
  CHECK(parse_json("1.0").integer() == nullptr);
  CHECK(real("-0.5e-3") == -0.5e-3);
  CHECK(real("1E2") == 100);
  for (const char* bad : {"01", "-", "+1", "1.", ".5", "1e", "0x10", "NaN", "Infinity", "1e999", "--1", "1 2"})
    CHECK(rejects(bad));
}

void strings() {
  CHECK(*parse_json(R"("a\"\\\/\b\f\n\r\tz")").string() == "a\"\\/\b\f\n\r\tz");
  CHECK(*parse_json(R"("\u0041\u00e9\u20ac\ud83d\ude00")").string() == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(*parse_json("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"").string() == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(parse_json(R"("\u0000")").string()->size() == 1);
  for (const char* bad : {"\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ude00\"",
                          "\"\\ud83d\\u0041\"", "\"\n\""}) {
    CHECK(rejects(bad));
  }
  // Overlong, surrogate, beyond U+10FFFF, cut short, lone continuation.
  for (const char* bad : {"\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                          "\"\xe2\x82\"", "\"\x80\"", "\"\xff\""}) {
    CHECK(rejects(bad, "UTF-8"));
  }
}

void structures() {
  const Json json = parse_json(" { \"a\" : [ 1 , true , null , { } , [ ] ] , \"b\" : \"x\" } \n");
  CHECK(json.object()->size() == 2);
  CHECK(json.find("a")->array()->size() == 5);
  CHECK(*json.find("a")->array()->at(1).boolean());
  CHECK(json.find("c") == nullptr);
  CHECK(rejects(R"({"a":1,"b":2,"a":3})", "\"a\" appears twice"));
  for (const char* bad :
       {"", " ", "{", "[", "[1,]", "{\"a\":1,}", "{a:1}", "[1 2]", "{\"a\" 1}", "tru", "[]]", "{\"a\":}", "[,1]"})
    CHECK(rejects(bad));
  CHECK(rejects(std::string("1\0", 2)));
}

void depth() {
  CHECK(!rejects(std::string(32, '[') + std::string(32, ']')));
  CHECK(rejects(std::string(1'000'000, '['), "nesting"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK(rejects(objects, "nesting"));
}

}  // namespace

int main() {
  numbers();
  strings();
  structures();
  depth();
  return afterimage::test::finish();
}
