// Tables for the terminal. Used by the summaries of reports and scaling studies.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ponder::eval {

// Cells in columns two spaces apart; the first column is left-aligned, the others right-aligned.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { add(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;  // "" without a row below the header

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ponder::eval
