/// models float|double IN OUT: loads a model file and saves it again.
#include <cstdio>
#include <exception>
#include <lamina/lamina.hpp>
#include <string>

int main(int count, char** words) {
  if (count != 4) return 2;
  try {
    if (std::string(words[1]) == "float") lamina::Network<float>::load(words[2]).save(words[3]);
    else lamina::Network<double>::load(words[2]).save(words[3]);
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
  return 0;
}
