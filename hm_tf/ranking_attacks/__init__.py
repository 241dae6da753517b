"""The nine attacks on a ranking of which the robustness score is made (HM, section 4)."""
