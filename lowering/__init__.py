"""How a judged graph becomes NNAPI models, and how they are packaged with a CPU fallback."""
