// The chat page inside the program: byte for byte the files of the tree, and nothing in them that
// its own policy would stop.
#include "server/page/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <string>

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

TEST(PageTest, WhatItLoadsIsInside) {
  const std::string html(find_page_file("/")->body);
  const std::string script(find_page_file("/page/app.js")->body);
  const std::regex reference(R"re((?:src|href|from )\s*=?\s*"(?:\./)?([^"]+)")re");
  int found = 0;
  for (const std::string& text : {html, script}) {
    for (std::sregex_iterator it(text.begin(), text.end(), reference), end; it != end; ++it) {
      std::string path = (*it)[1];
      path = path.starts_with("page/") ? "/" + path : "/page/" + path;
      EXPECT_NE(find_page_file(path), nullptr) << path;
      ++found;
    }
  }
  EXPECT_EQ(found, 4);
}

TEST(PageTest, NothingIsInlineAndNothingComesFromElsewhere) {
  for (const PageFile& file : page_files()) {
    EXPECT_THAT(std::string(file.body), Not(HasSubstr("://"))) << file.path;
    EXPECT_THAT(std::string(file.body), Not(HasSubstr("innerHTML"))) << file.path;
  }
  const std::string html(find_page_file("/")->body);
  EXPECT_THAT(html, Not(HasSubstr("<style")));
  EXPECT_THAT(html, Not(HasSubstr(" style=")));
  EXPECT_FALSE(std::regex_search(html, std::regex(R"(\son[a-z]+=)")));
  EXPECT_FALSE(std::regex_search(html, std::regex(R"(<script[^>]*>[^<])")));
}

}  // namespace
}  // namespace talon::server
