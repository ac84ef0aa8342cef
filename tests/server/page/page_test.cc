// The chat page inside the program: byte for byte the files of the tree, and nothing in them that
// its own policy would stop.
#include "server/page/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace talon::server {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string file_in_tree(std::string_view path) {
  const std::string name(path == "/" ? "/page/index.html" : path);
  std::ifstream in("src/server" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

TEST(PageTest, HoldsTheFilesOfTheTree) {
  ASSERT_FALSE(page_files().empty());
  for (const PageFile& file : page_files()) {
    EXPECT_EQ(file.body, file_in_tree(file.path)) << file.path;
    EXPECT_EQ(find_page_file(file.path), &file);
  }
}

TEST(PageTest, OtherPathsAreNotThere) {
  EXPECT_EQ(find_page_file("/page/../page.cc"), nullptr);
  EXPECT_EQ(find_page_file("/page/"), nullptr);
  EXPECT_EQ(find_page_file(""), nullptr);
}

// What stands between each `before` and the next quote.
std::vector<std::string> quoted_after(const std::string& text, std::string_view before) {
  std::vector<std::string> found;
  for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at)) {
    at += before.size();
    found.push_back(text.substr(at, text.find('"', at) - at));
  }
  return found;
}

TEST(PageTest, WhatItLoadsIsInside) {
  const std::string html(find_page_file("/")->body);
  const std::string script(find_page_file("/page/app.js")->body);

  EXPECT_THAT(quoted_after(html, "href=\""), testing::ElementsAre("page/style.css"));
  EXPECT_THAT(quoted_after(html, "src=\""), testing::ElementsAre("page/app.js"));
  for (const std::string& path : quoted_after(script, "from \"./")) {
    EXPECT_NE(find_page_file("/page/" + path), nullptr) << path;
  }
  EXPECT_EQ(quoted_after(script, "from \"").size(), 2U);
}

TEST(PageTest, NothingIsInlineAndNothingComesFromElsewhere) {
  for (const PageFile& file : page_files()) {
    EXPECT_THAT(std::string(file.body), Not(HasSubstr("://"))) << file.path;
    EXPECT_THAT(std::string(file.body), Not(HasSubstr("innerHTML"))) << file.path;
  }
  const std::string html(find_page_file("/")->body);
  EXPECT_THAT(html, Not(HasSubstr("<style")));
  EXPECT_THAT(html, Not(HasSubstr(" style=")));
  EXPECT_THAT(html, HasSubstr("src=\"page/app.js\"></script>"));  // no text inside
  for (const char* handler :
       {" onclick", " onload", " onerror", " onsubmit", " onkey", " onchange"}) {
    EXPECT_THAT(html, Not(HasSubstr(handler)));
  }
}

}  // namespace
}  // namespace talon::server
