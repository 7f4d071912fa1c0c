# All that node-gyp reads of a Node header folder; the headers themselves come from node-api-headers. No download.
{
  "variables": {
    "configuring_node%": 0,
    "visibility%": "hidden",
    "v8_enable_pointer_compression%": 0,
    "enable_lto%": "false",
    "asan%": 0,
    "coverage%": "false"
  },
  "target_defaults": {
    "default_configuration": "Release",
    "configurations": {
      "Release": { "defines": ["NDEBUG"] },
      "Debug": { "cflags": ["-g"] }
    },
    "cflags": ["-pthread"],
    "ldflags": ["-pthread"]
  }
}
