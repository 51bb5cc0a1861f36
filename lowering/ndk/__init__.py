"""The NDK target: one model file, and the small C++ runtime that runs it on any Android from 8.1 on."""
