// What the parts of the scheduler share. All of it belongs to the engine thread.
#pragma once
#include "cache/disk_tier.h"
#include "cache/feature_cache.h"
#include "cache/prefix_store.h"
#include "cache/tile_features.h"
#include "session/counters.h"
#include "session/interrupt.h"
#include "session/model.h"
#include "session/requests.h"
#include "session/row_price.h"
#include "session/turns.h"

namespace afterimage {

struct EngineState {
  EngineState(const EngineOptions& engine_options, Model& loaded, Interrupt& interrupts)
      : options(engine_options),
        model(loaded),
        kv(*loaded.kv),
        interrupt(interrupts),
        features(engine_options.budgets.feature_bytes),
        disk(engine_options.disk, loaded.format),
        store(kv, disk),
        turns(requests) {}

  const EngineOptions options;
  Model& model;
  KvCache& kv;
  Interrupt& interrupt;
  FeatureCache features;
  TileFeatures tiles;  // of those
  DiskTier disk;
  PrefixStore store;
  Requests requests;
  Turns turns;
  Counters counters;
  RowPrice row_price;
};

}  // namespace afterimage
