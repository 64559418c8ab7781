// Options say everything once. A room's options are a plain struct with a fields() member that visits every knob:
//
//   struct RlOptions {
//     int64_t steps = 80;
//     double lr = 1e-4;
//     void fields(base::Fields& f) {
//       f.field("steps", steps, {.min = 1, .unit = "steps", .help = "gradient steps"});
//       f.field("lr", lr, {.min = 0, .max = 1, .help = "learning rate"});
//     }
//   };
//
// From that one list come YAML in and out, key=value overrides, --help, the docs page and the run hash.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/base/yaml.h"

namespace ponder::base {

struct FieldInfo {
  double min = -std::numeric_limits<double>::infinity();  // for numbers and for each number of a list
  double max = std::numeric_limits<double>::infinity();
  const char* unit = "";
  const char* help = "";
  std::vector<std::string> choices = {};  // allowed strings; for each string of a list
};

class Fields {
 public:
  virtual ~Fields() = default;
  virtual void field(const char* name, bool& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, int64_t& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, double& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, std::string& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, std::vector<int64_t>& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, std::vector<double>& v, const FieldInfo& info) = 0;
  virtual void field(const char* name, std::vector<std::string>& v, const FieldInfo& info) = 0;
  template <class Options>
  void group(const char* name, Options& options, const char* help) {
    begin_group(name, help);
    options.fields(*this);
    end_group();
  }

 protected:
  virtual void begin_group(const char* name, const char* help) = 0;
  virtual void end_group() = 0;
};

// The options behind the functions below: any struct with void fields(Fields&).
class AnyOptions {
 public:
  template <class Options>
  AnyOptions(Options& options)
      : self_(&options), visit_([](void* self, Fields& f) { static_cast<Options*>(self)->fields(f); }) {}
  void fields(Fields& f) const { visit_(self_, f); }

 private:
  void* self_;
  void (*visit_)(void*, Fields&);
};

// Fills options from a YAML map. Keys that are not named keep their default. Error(kUsage, …, "file:line") for an
// unknown key (with the nearest valid name), a wrong type or a value out of range (with the range or the choices).
void read_fields(AnyOptions options, const Yaml& yaml, const std::string& file);
// One override "a.b=value" from the command line; lists as "a,b,c". The same errors, where = "command line".
void override_field(AnyOptions options, const std::string& assignment);
// "a.b" -> is there such a knob or group?
bool has_field(AnyOptions options, const std::string& dotted_name);

std::string to_yaml(AnyOptions options);      // resolved configuration; reads back the same
Json to_json(AnyOptions options);             // nested objects
std::string fields_help(AnyOptions options);  // one line a knob: dotted name, default, range, unit, help
Json fields_json(AnyOptions options);         // the same as a list of objects
uint64_t fields_hash(AnyOptions options);     // of to_yaml

// The valid name with the least edit distance to a mistyped one, "" when nothing is near.
std::string nearest_name(const std::string& mistyped, const std::vector<std::string>& valid);

}  // namespace ponder::base
