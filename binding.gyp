# The addon for Node. Sources and flags come from native/sources.json, which CMakeLists.txt reads as well.
{
  "targets": [
    {
      "target_name": "rlvr",
      "sources": ["<!@(node scripts/sources.cjs engine addon)"],
      "include_dirs": [
        "native",
        "<!@(node -p \"require('node-addon-api').include_dir\")",
        "<!@(node -p \"require('node-api-headers').include_dir\")"
      ],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["<!@(node scripts/sources.cjs flags)", "-O3", "-fPIC", "-fvisibility=hidden"],
      "libraries": ["-lpthread"],
      # Node unloads an addon when a worker ends, under the feet of threads that are still in its code.
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
