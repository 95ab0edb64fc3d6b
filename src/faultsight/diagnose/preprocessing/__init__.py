"""From raw, unreliable polls to what two modems can be compared on (TelApart IV-F, appendices)."""
