// Finding and reading sample files.
#include "cli/sample_files.h"

#include <algorithm>
#include <filesystem>

#include "cli/npy_file.h"

namespace antiphon::cli {
namespace {

namespace fs = std::filesystem;

bool is_sample(const fs::path& path) {
  return path.extension() == ".npy" || path.extension() == ".npz";
}

Status add_folder(const std::string& folder, std::vector<std::string>& files) {
  std::error_code error;
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_sample(entry.path())) found.push_back(entry.path().string());
  if (error) return not_found(folder + ": " + error.message());
  if (found.empty()) return invalid_argument(folder + ": no samples: wanted .npy or .npz files");
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
  return {};
}

Result<Sample> read_sample(const std::string& path, const std::vector<TensorSpec>& inputs) {
  Sample out{path, {}};
  if (fs::path(path).extension() == ".npz") {
    ANTIPHON_ASSIGN_OR_RETURN(out.inputs, read_npz(path));
    return out;
  }
  if (inputs.size() != 1) {
    std::string names;
    for (const TensorSpec& spec : inputs) names += (names.empty() ? "" : ", ") + spec.name;
    return invalid_argument(path + ": holds one tensor, the network takes " +
                            std::to_string(inputs.size()) + " (" + names +
                            "): wanted a .npz file with arrays of these names");
  }
  ANTIPHON_ASSIGN_OR_RETURN(out.inputs[inputs.front().name], read_npy(path));
  return out;
}

}  // namespace

Result<SampleSource> open_samples(const std::vector<std::string>& paths,
                                  const std::vector<TensorSpec>& inputs) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      ANTIPHON_RETURN_IF_ERROR(add_folder(path, files));
    } else if (!fs::exists(path, error)) {
      return not_found(path + ": no such file or folder");
    } else if (!is_sample(path)) {
      return invalid_argument(path + ": wanted a .npy or .npz file, or a folder of them");
    } else {
      files.push_back(path);
    }
  }
  SampleSource out;
  out.count = files.size();
  out.read = [files, inputs](std::size_t i) { return read_sample(files[i], inputs); };
  return out;
}

}  // namespace antiphon::cli
