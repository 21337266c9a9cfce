"""Who wins, and why: what choosing a forecasting model and choosing an ordering policy have in common.

Candidates are registered by name (`candidates`), scored on windows of the past (`scores`), summed up by class of
demand (`class_sums`), shrunk toward their class (`shrinkage`) and chosen, series by series, with the rule in words
(`choice`). What a candidate is called, and what evidence it has, the caller says.
"""
