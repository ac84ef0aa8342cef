#include "support/random_model.h"

#include <utility>

#include "model/checkpoint.h"
#include "support/temp_dir.h"

namespace talon::test {

std::unique_ptr<M3Model> load_model(const std::filesystem::path& folder,
                                    ActivationType type,
                                    KvFormat kv) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  M3Config config = parse_m3_config(checkpoint.read_text("config.json")).value();
  M3Weights weights = load_m3_weights(checkpoint, config);
  const ModelTypes types{.activation = type, .kv = kv};
  return std::make_unique<M3Model>(std::move(weights), std::move(config), types);
}

std::unique_ptr<M3Model> random_model(const TargetOptions& options,
                                      ActivationType type,
                                      KvFormat kv) {
  const TempDir folder;
  write_target(folder.path(), options);
  return load_model(folder.path(), type, kv);
}

}  // namespace talon::test
