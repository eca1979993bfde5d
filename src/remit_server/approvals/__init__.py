"""Pillar 3: ask the human, answer later. CIBA and the device flow are two ways into one pending decision."""
