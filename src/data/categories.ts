// Which category each subject is reported under, which subjects are medical, and what CMMLU's subjects are called.
import type { Benchmark } from "./benchmark-row.ts";

type Categories = Readonly<Record<string, readonly string[]>>;

const words = (text: string): string[] => text.trim().split(/\s+/);

// MMLU's four groups as Hendrycks et al. give them (hendrycks/test categories.py), anatomy among "Other".
const mmluStem = words(`
  abstract_algebra astronomy college_biology college_chemistry college_computer_science college_mathematics
  college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology
  high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics
  machine_learning`);
const mmluHumanities = words(`
  formal_logic high_school_european_history high_school_us_history high_school_world_history international_law
  jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions`);
const mmluSocialScience = words(`
  econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
  high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations
  security_studies sociology us_foreign_policy`);
const mmluOther = words(`
  anatomy business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
  medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology`);

// CMMLU's groups (haonan-li/CMMLU categories.py) without the subjects that are also "China specific".
const cmmluStem = words(`
  anatomy astronomy college_actuarial_science college_engineering_hydrology college_mathematics
  college_medical_statistics computer_science conceptual_physics electrical_engineering elementary_mathematics genetics
  high_school_biology high_school_chemistry high_school_mathematics high_school_physics machine_learning virology`);
const cmmluHumanities = words(`
  arts college_law global_facts international_law jurisprudence logical marxist_theory philosophy professional_law
  world_history world_religions`);
const cmmluSocialScience = words(`
  business_ethics college_education economics education high_school_geography journalism management marketing
  professional_accounting professional_psychology public_relations security_study sociology`);
const cmmluOther = words(`
  agronomy clinical_knowledge college_medicine computer_security elementary_information_and_technology food_science
  human_sexuality legal_and_moral_basis nutrition professional_medicine sports_science`);
// The China-specific subjects by the group that upstream also counts them in.
const chinaHumanities = words("chinese_history chinese_literature");
const chinaSocialScience = words(`
  ancient_chinese chinese_civil_service_exam chinese_food_culture chinese_foreign_policy chinese_teacher_qualification
  elementary_chinese ethnology high_school_politics modern_chinese`);
const chinaOther = words(`
  chinese_driving_rule construction_project_management elementary_commonsense traditional_chinese_medicine`);
const chinaSpecific = [...chinaHumanities, ...chinaSocialScience, ...chinaOther].sort();

const mmluProSubjects = [
  ...words("biology business chemistry"),
  "computer science",
  ...words("economics engineering health history law math other philosophy physics psychology"),
];

const hendrycks: Categories = {
  STEM: mmluStem,
  Humanities: mmluHumanities,
  "Social Science": mmluSocialScience,
  Other: mmluOther,
};

/** Every map by name; the first of a benchmark is its default. */
const categoryMaps: Readonly<Record<Benchmark, Readonly<Record<string, Categories>>>> = {
  mmlu: {
    hendrycks,
    // lm-eval and OpenCompass count anatomy as STEM; nothing else differs.
    "lm-eval": {
      ...hendrycks,
      STEM: [...mmluStem, "anatomy"].sort(),
      Other: mmluOther.filter((subject) => subject !== "anatomy"),
    },
  },
  cmmlu: {
    // Each subject once, as EvalScope reports it.
    disjoint: {
      STEM: cmmluStem,
      Humanities: cmmluHumanities,
      "Social Science": cmmluSocialScience,
      Other: cmmluOther,
      "China specific": chinaSpecific,
    },
    // As upstream: the 15 China-specific subjects also count in the group of their field, 82 entries for 67 subjects.
    overlapping: {
      STEM: cmmluStem,
      Humanities: [...cmmluHumanities, ...chinaHumanities].sort(),
      "Social Science": [...cmmluSocialScience, ...chinaSocialScience].sort(),
      Other: [...cmmluOther, ...chinaOther].sort(),
      "China specific": chinaSpecific,
    },
  },
  "mmlu-pro": { subjects: Object.fromEntries(mmluProSubjects.map((subject) => [subject, [subject]])) },
  gsm8k: { subjects: { gsm8k: ["gsm8k"] } },
  medqa: { subjects: { medqa: ["medqa"] } },
};

/** The names of a benchmark's category maps, the default first. */
export function categoryMapNames(benchmark: Benchmark): readonly string[] {
  return Object.keys(categoryMaps[benchmark]);
}

/**
 * The subjects of each category, in the order of tables. `map` is one of categoryMapNames; the default one is the first.
 *
 * @throws RangeError for a map that the benchmark does not have.
 */
export function categoriesOf(benchmark: Benchmark, map?: string): ReadonlyMap<string, readonly string[]> {
  const names = categoryMapNames(benchmark);
  const name = map ?? (names[0] as string);
  const categories = names.includes(name) ? categoryMaps[benchmark][name] : undefined;
  if (categories === undefined)
    throw new RangeError(`[categories] ${benchmark} has no category map "${name}"; it has ${names.join(", ")}`);
  return new Map(Object.entries(categories));
}

/**
 * The subjects that the medical figures show unless a config lists others. The paper names only three of MMLU's
 * (high_school_biology, medical_genetics, professional_medicine); the rest is our reading of "medicine" in its Fig. 3.
 */
export const medicalSubjects: Readonly<Record<Benchmark, readonly string[]>> = {
  mmlu: words(`
    anatomy clinical_knowledge college_biology college_medicine high_school_biology human_aging medical_genetics
    nutrition professional_medicine virology`),
  cmmlu: words(`
    anatomy clinical_knowledge college_medical_statistics college_medicine genetics high_school_biology nutrition
    professional_medicine traditional_chinese_medicine virology`),
  "mmlu-pro": ["biology", "health"],
  gsm8k: [],
  medqa: ["medqa"],
};

/** What CMMLU's prompts and figures call its subjects (haonan-li/CMMLU categories.py). */
export const cmmluSubjectNames: Readonly<Record<string, string>> = {
  agronomy: "农学",
  anatomy: "解剖学",
  ancient_chinese: "古汉语",
  arts: "艺术学",
  astronomy: "天文学",
  business_ethics: "商业伦理",
  chinese_civil_service_exam: "中国公务员考试",
  chinese_driving_rule: "中国驾驶规则",
  chinese_food_culture: "中国饮食文化",
  chinese_foreign_policy: "中国外交政策",
  chinese_history: "中国历史",
  chinese_literature: "中国文学",
  chinese_teacher_qualification: "中国教师资格",
  clinical_knowledge: "临床知识",
  college_actuarial_science: "大学精算学",
  college_education: "大学教育学",
  college_engineering_hydrology: "大学工程水文学",
  college_law: "大学法律",
  college_mathematics: "大学数学",
  college_medical_statistics: "大学医学统计",
  college_medicine: "大学医学",
  computer_science: "计算机科学",
  computer_security: "计算机安全",
  conceptual_physics: "概念物理学",
  construction_project_management: "建设工程管理",
  economics: "经济学",
  education: "教育学",
  electrical_engineering: "电气工程",
  elementary_chinese: "小学语文",
  elementary_commonsense: "小学常识",
  elementary_information_and_technology: "小学信息技术",
  elementary_mathematics: "初等数学",
  ethnology: "民族学",
  food_science: "食品科学",
  genetics: "遗传学",
  global_facts: "全球事实",
  high_school_biology: "高中生物",
  high_school_chemistry: "高中化学",
  high_school_geography: "高中地理",
  high_school_mathematics: "高中数学",
  high_school_physics: "高中物理学",
  high_school_politics: "高中政治",
  human_sexuality: "人类性行为",
  international_law: "国际法学",
  journalism: "新闻学",
  jurisprudence: "法理学",
  legal_and_moral_basis: "法律与道德基础",
  logical: "逻辑学",
  machine_learning: "机器学习",
  management: "管理学",
  marketing: "市场营销",
  marxist_theory: "马克思主义理论",
  modern_chinese: "现代汉语",
  nutrition: "营养学",
  philosophy: "哲学",
  professional_accounting: "专业会计",
  professional_law: "专业法学",
  professional_medicine: "专业医学",
  professional_psychology: "专业心理学",
  public_relations: "公共关系",
  security_study: "安全研究",
  sociology: "社会学",
  sports_science: "体育学",
  traditional_chinese_medicine: "中医中药",
  virology: "病毒学",
  world_history: "世界历史",
  world_religions: "世界宗教",
};
